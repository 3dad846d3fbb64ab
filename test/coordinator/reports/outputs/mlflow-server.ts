/** A small MLflow server in memory: as much of its REST API as a run uses, and failures on demand. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';

export interface KeptRun {
  readonly info: { run_id: string; run_name: string; status: string; artifact_uri: string; end_time?: number };
  readonly tags: { key: string; value: string }[];
  readonly metrics: { key: string; value: number | string; step: number }[];
  readonly params: { key: string; value: string }[];
}

const pairs = z.array(z.object({ key: z.string(), value: z.string() }));
const bodySchema = z.looseObject({
  name: z.string().optional(),
  run_id: z.string().optional(),
  run_name: z.string().optional(),
  status: z.string().optional(),
  end_time: z.int().optional(),
  filter: z.string().optional(),
  tags: pairs.optional(),
  params: pairs.max(100).optional(),
  metrics: z
    .array(z.object({ key: z.string(), value: z.union([z.number(), z.string()]), step: z.int(), timestamp: z.int() }))
    .max(1000)
    .optional(),
});

export class MlflowServer {
  readonly experiments: string[] = [];
  readonly runs: KeptRun[] = [];
  readonly artifacts = new Map<string, string>();
  readonly authorizations = new Set<string | undefined>();
  /** What it answers to all; null for what it should. */
  answersAlways: number | null = null;
  requests = 0;
  /** Whether it refuses files. */
  refusesFiles = false;
  /** Whether it never answers. */
  isStuck = false;
  readonly #server: Server = createServer((request, response) => {
    void this.#answer(request).then(([status, body]) => {
      if (!this.isStuck) response.writeHead(status).end(JSON.stringify(body));
    });
  });

  async listen(): Promise<URL> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/base/`);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage): Promise<[number, unknown]> {
    this.requests++;
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const text = Buffer.concat(pieces).toString();
    this.authorizations.add(request.headers.authorization);
    if (this.answersAlways !== null) return [this.answersAlways, { error_code: 'NOT_NOW', message: 'no' }];
    const url = new URL(request.url ?? '/', 'http://localhost');
    const [, artifact] = /^\/base\/api\/2\.0\/mlflow-artifacts\/artifacts\/(.+)$/.exec(url.pathname) ?? [];
    if (artifact !== undefined) return this.#keep(decodeURIComponent(artifact), text);
    const path = url.pathname.replace('/base/api/2.0/mlflow/', '');
    const body = text === '' ? {} : bodySchema.parse(JSON.parse(text));
    return this.#reply(path, body, url.searchParams);
  }

  #keep(name: string, text: string): [number, unknown] {
    if (this.refusesFiles) return [403, { error_code: 'PERMISSION_DENIED' }];
    this.artifacts.set(name, text);
    return [200, {}];
  }

  #reply(path: string, body: z.infer<typeof bodySchema>, query: URLSearchParams): [number, unknown] {
    const run = this.runs.find(({ info }) => info.run_id === body.run_id);
    switch (path) {
      case 'experiments/get-by-name': {
        const id = this.experiments.indexOf(query.get('experiment_name') ?? '');
        if (id < 0) return [404, { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'none' }];
        return [200, { experiment: { experiment_id: String(id) } }];
      }
      case 'experiments/create':
        return [200, { experiment_id: String(this.experiments.push(body.name ?? '') - 1) }];
      case 'runs/search': {
        const found = this.runs.filter(({ tags }) =>
          tags.some(({ key, value }) => body.filter === `tags."${key}" = '${value}'`),
        );
        return [200, found.length === 0 ? {} : { runs: found.map((one) => this.#shown(one)) }];
      }
      case 'runs/create': {
        const id = `run${this.runs.length}`;
        const info = { run_id: id, run_name: body.run_name ?? '', status: 'RUNNING' };
        const made = { info: { ...info, artifact_uri: `mlflow-artifacts:/0/${id}/artifacts` }, tags: body.tags ?? [] };
        this.runs.push({ ...made, metrics: [], params: [] });
        return [200, { run: made }];
      }
      case 'runs/log-batch':
        run?.metrics.push(...(body.metrics ?? []));
        run?.params.push(...(body.params ?? []));
        return run === undefined ? [404, { error_code: 'RESOURCE_DOES_NOT_EXIST' }] : [200, {}];
      case 'runs/update':
        if (run !== undefined) Object.assign(run.info, { status: body.status, end_time: body.end_time });
        return [200, {}];
      default:
        return [404, { error_code: 'ENDPOINT_NOT_FOUND' }];
    }
  }

  /** Of each metric the newest point alone, as MLflow does it; int64 as text. */
  #shown({ info, metrics, params }: KeptRun): unknown {
    const newest = new Map(metrics.map((metric) => [metric.key, { ...metric, step: String(metric.step) }]));
    return { info, data: { metrics: [...newest.values()], params } };
  }
}
