/** A real run that a real MLflow server shows: stopped, continued, finished, with its report. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { commitsOf, Program, soon } from '../../bench/programs.js';
import { barsRecipe, steps, writeBars } from '../e2e/bars.js';
import { freePorts, scratchFolder } from '../e2e/processes.js';

const python = process.env.STILLHOUSE_TRACKERS ?? 'python3';
const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
let server: ChildProcess | null = null;
let url = '';

beforeAll(async () => {
  const [port = 0] = await freePorts(1);
  url = `http://127.0.0.1:${port}`;
  const store = ['--backend-store-uri', `sqlite:///${at('mlflow.db')}`, '--artifacts-destination', at('artifacts')];
  const args = ['server', '--host', '127.0.0.1', '--port', String(port), '--workers', '1', ...store];
  const path = `${dirname(python)}:${process.env.PATH ?? ''}`;
  // In a group of its own, so that its workers end with it.
  server = spawn(join(dirname(python), 'mlflow'), args, {
    ...{ stdio: 'ignore', detached: true, cwd: scratch.path },
    env: { ...process.env, PATH: path, MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false' },
  });
  for (;;) {
    if (server.exitCode !== null) throw new Error(`mlflow server ended with ${server.exitCode}`);
    const answer = await fetch(`${url}/health`).catch(() => null);
    if (answer?.ok === true) return;
    await soon(200);
  }
}, 200_000);
afterAll(() => {
  if (server?.pid !== undefined) process.kill(-server.pid, 'SIGKILL');
  scratch.remove();
});

async function ask<T>(path: string, schema: z.ZodType<T>, body?: unknown): Promise<T> {
  const sent = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const answer = await fetch(`${url}/api/2.0/${path}`, { ...sent, headers: { 'content-type': 'application/json' } });
  return schema.parse(await answer.json());
}

const foundSchema = z.object({
  runs: z.array(
    z.object({
      info: z.object({ run_id: z.string(), run_name: z.string(), status: z.string(), artifact_uri: z.string() }),
      data: z.object({ params: z.array(z.object({ key: z.string(), value: z.string() })) }),
    }),
  ),
});
const historySchema = z.object({ metrics: z.array(z.object({ step: z.coerce.number(), value: z.number() })) });

describe('an MLflow server', () => {
  it('has each step of a run once that was stopped and went on, and its report', async () => {
    writeBars(scratch.path);
    writeFileSync(at('recipe.yaml'), barsRecipe({ student: '{ builtin: mlp, hidden: [256] }' }));
    mkdirSync(at('cache'));
    const out = at('runs/bars');
    const args = ['run', at('recipe.yaml'), '--workers', '1', '--out', out, '--mlflow', url];
    const environment = { STILLHOUSE_CACHE: at('cache'), MLFLOW_EXPERIMENT_NAME: 'bars of noise' };
    const first = new Program(args, environment, 100_000);
    while (commitsOf(out).length < 5) await soon();
    first.child.kill('SIGTERM');
    expect((await first.ended).code).toBe(75);
    const second = await new Program(args, environment, 100_000).ended;
    expect([second.code, second.stderr]).toEqual([0, expect.stringContaining(`MLflow shows the run at ${url}/#/`)]);

    const { experiment } = await ask(
      'mlflow/experiments/get-by-name?experiment_name=bars%20of%20noise',
      z.object({ experiment: z.object({ experiment_id: z.string() }) }),
    );
    const { runs } = await ask('mlflow/runs/search', foundSchema, { experiment_ids: [experiment.experiment_id] });
    expect(runs.map(({ info }) => [info.run_name, info.status])).toEqual([['recipe', 'FINISHED']]);
    const [run] = runs;
    expect(run?.data.params).toContainEqual({ key: 'optimizer.name', value: 'adam' });
    const history = async (key: string): Promise<number[]> => {
      const query = new URLSearchParams({ run_id: run?.info.run_id ?? '', metric_key: key });
      return (await ask(`mlflow/metrics/get-history?${query.toString()}`, historySchema)).metrics.map(
        ({ step }) => step,
      );
    };
    expect((await history('loss/total')).sort((a, b) => a - b)).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
    expect(await history('accuracy/student')).toHaveLength(6);
    const path = run?.info.artifact_uri.replace('mlflow-artifacts:/', '') ?? '';
    const kept = await fetch(`${url}/api/2.0/mlflow-artifacts/artifacts/${path}/report.html`);
    expect(await kept.text()).toBe(readFileSync(join(out, 'report.html'), 'utf8'));
  });
});
