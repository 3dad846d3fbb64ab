/**
 * A run as MLflow knows it: found again by a tag with its id, so that a coordinator that goes on with it goes on there,
 * behind the newest step that was logged.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { MlflowProblem, type MlflowAccess, type MlflowClient } from './client.js';

/** What a run is to MLflow when it begins. */
export interface TrackedRun {
  readonly id: string;
  readonly name: string;
  readonly beganMs: number;
  readonly params: ReadonlyMap<string, number | string | boolean>;
  /** Whether it was finished before: it stays as it is where the server knows so. */
  readonly isFinished?: boolean;
}

/** Numbers of one moment. */
export interface TrackedPoint {
  readonly step: number;
  readonly atMs: number;
  readonly scalars: readonly (readonly [name: string, value: number])[];
}

export type MlflowStatus = 'RUNNING' | 'FINISHED' | 'FAILED' | 'KILLED';

/** MLflow takes so many params and tags, and metrics, in one request; longer keys and values than these are cut. */
const [mostParams, mostMetrics, longestKey, longestValue] = [100, 1000, 250, 6000];

const nothing = z.unknown();
const pairs = z.array(z.object({ key: z.string(), value: z.string().optional() })).optional();
const runSchema = z.object({
  info: z.object({ run_id: z.string(), artifact_uri: z.string().optional(), status: z.string().optional() }),
  data: z
    .object({
      metrics: z.array(z.object({ key: z.string(), step: z.coerce.number().optional() })).optional(),
      params: pairs,
    })
    .optional(),
});
const experimentSchema = z.object({ experiment: z.object({ experiment_id: z.string() }) });

export class MlflowSession {
  readonly #client: MlflowClient;
  readonly #id: string;
  readonly #artifacts: string | null;
  /** Where it can be looked at. */
  readonly page: string;
  /** Whether nothing is left to tell of it. */
  #isFinished = false;
  /** The newest step of each metric that the server has. */
  readonly #logged: ReadonlyMap<string, number>;

  private constructor(client: MlflowClient, run: z.infer<typeof runSchema>, page: string) {
    const { run_id: id, artifact_uri: uri = '' } = run.info;
    [this.#client, this.#id, this.page] = [client, id, page];
    // Any other place is the server's own store, which it gives no way to.
    this.#artifacts = uri.startsWith('mlflow-artifacts:') ? uri.replace(/^mlflow-artifacts:(\/\/[^/]*)?\/*/, '') : null;
    this.#logged = new Map((run.data?.metrics ?? []).map(({ key, step = 0 }) => [key, step]));
  }

  /** @throws MlflowProblem */
  static async open(
    client: MlflowClient,
    { url, experiment }: MlflowAccess,
    tracked: TrackedRun,
  ): Promise<MlflowSession> {
    const experimentId = await experimentOf(client, experiment);
    const found = await client.call('runs/search', z.object({ runs: z.array(runSchema).optional() }), {
      body: { experiment_ids: [experimentId], filter: `tags."stillhouse.run" = '${tracked.id}'`, max_results: 1 },
    });
    const run = found.runs?.[0] ?? (await create(client, experimentId, tracked));
    const page = `${url.href.replace(/\/$/, '')}/#/experiments/${experimentId}/runs/${run.info.run_id}`;
    const session = new MlflowSession(client, run, page);
    if (tracked.isFinished === true && run.info.status === 'FINISHED') return session.#asFinished();
    if (found.runs?.[0] !== undefined) await session.setStatus('RUNNING');
    const known = new Set((run.data?.params ?? []).map(({ key }) => key));
    await session.#logParams([...tracked.params].filter(([key]) => !known.has(keyOf(key))));
    return session;
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  #asFinished(): this {
    this.#isFinished = true;
    return this;
  }

  /** Logs the points that the server does not have. */
  async log(points: readonly TrackedPoint[]): Promise<void> {
    const metrics = points.flatMap(({ step, atMs, scalars }) =>
      scalars.flatMap(([name, value]) => {
        const key = keyOf(name);
        if (step <= (this.#logged.get(key) ?? -1)) return [];
        return [{ key, value: Number.isFinite(value) ? value : textOf(value), timestamp: Math.round(atMs), step }];
      }),
    );
    for (let from = 0; from < metrics.length; from += mostMetrics) {
      const body = { run_id: this.#id, metrics: metrics.slice(from, from + mostMetrics) };
      await this.#client.call('runs/log-batch', nothing, { body });
    }
  }

  async setStatus(status: MlflowStatus, endedMs?: number): Promise<void> {
    const end = endedMs === undefined ? {} : { end_time: Math.round(endedMs) };
    await this.#client.call('runs/update', nothing, { body: { run_id: this.#id, status, ...end } });
  }

  /** Sends these files of a folder where the server takes artifacts. @returns whether it does */
  async putArtifacts(folder: string, names: readonly string[]): Promise<boolean> {
    if (this.#artifacts === null) return false;
    for (const name of names) await this.#client.putArtifact(`${this.#artifacts}/${name}`, join(folder, name));
    return true;
  }

  async #logParams(params: readonly (readonly [string, number | string | boolean])[]): Promise<void> {
    for (let from = 0; from < params.length; from += mostParams) {
      const some = params.slice(from, from + mostParams);
      const sent = some.map(([key, value]) => ({ key: keyOf(key), value: String(value).slice(0, longestValue) }));
      await this.#client.call('runs/log-batch', nothing, { body: { run_id: this.#id, params: sent } });
    }
  }
}

async function experimentOf(client: MlflowClient, name: string): Promise<string> {
  try {
    const found = await client.call('experiments/get-by-name', experimentSchema, { query: { experiment_name: name } });
    return found.experiment.experiment_id;
  } catch (error) {
    if (!(error instanceof MlflowProblem) || error.code !== 'RESOURCE_DOES_NOT_EXIST') throw error;
  }
  return (await client.call('experiments/create', z.object({ experiment_id: z.string() }), { body: { name } }))
    .experiment_id;
}

async function create(
  client: MlflowClient,
  experiment: string,
  { id, name, beganMs }: TrackedRun,
): Promise<z.infer<typeof runSchema>> {
  const tags = [
    { key: 'stillhouse.run', value: id },
    { key: 'mlflow.source.name', value: 'stillhouse' },
  ];
  const body = { experiment_id: experiment, run_name: name, start_time: Math.round(beganMs), tags };
  return (await client.call('runs/create', z.object({ run: runSchema }), { body })).run;
}

/** MLflow takes letters, digits, and these marks in names. */
function keyOf(name: string): string {
  return name.replace(/[^\w\-. /]/g, '_').slice(0, longestKey);
}

/** As JSON of protocol buffers has it. */
function textOf(value: number): string {
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
}
