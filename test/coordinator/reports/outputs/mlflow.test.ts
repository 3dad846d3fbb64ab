/** What MLflow is told of a run, by a small server that speaks its API, and what becomes of a run where it fails. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mlflowAccess } from '../../../../coordinator/reports/mlflow/client.js';
import { mlflowOutput, mostWaiting } from '../../../../coordinator/reports/outputs/mlflow.js';
import type { ReportOutput, RunStart } from '../../../../coordinator/reports/outputs/output.js';
import type { StepReport } from '../../../../coordinator/reports/steps.js';
import { MlflowServer } from './mlflow-server.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-mlflow-'));
for (const name of ['report.html', 'summary.json', 'recipe.yaml']) writeFileSync(join(folder, name), `the ${name}`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const report = (step: number, loss = step / 2): StepReport => ({
  ...{ step, epoch: 0, atMs: 1e12 + step, loss, terms: { response: 0.25 }, learningRate: 0.5, samplesPerSecond: 0 },
});
const epoch = {
  ...{ epoch: 0, step: 2, samples: 16, loss: 0.5, terms: {}, samplesPerSecond: 8 },
  eval: { accuracy: 0.75 },
};
const start = (steps: readonly StepReport[] = [], more: Partial<RunStart> = {}): RunStart => ({
  ...{ step: steps.length, totalSteps: 4, epochs: 2, closedEpochs: [], run: 'abc', generation: 1, beganMs: 1e12 },
  recipe: `name: tiny\noptimizer: { learningRate: 0.5 }\nlong: ${'x'.repeat(7000)}\n`,
  steps: () => steps,
  references: () => [{ name: 'teacher a:b', value: 0.875 }],
  ...more,
});

let server = new MlflowServer();
let url = new URL('http://127.0.0.1');
const said: string[] = [];
beforeEach(async () => {
  said.splice(0);
  server = new MlflowServer();
  url = await server.listen();
});
afterEach(() => server.close());

function open(environment: Record<string, string> = {}, times = {}): ReportOutput {
  return mlflowOutput({
    access: mlflowAccess(url.href, environment),
    ...{ run: 'tiny', folder, say: (level, text) => void said.push(`${level}: ${text}`) },
    times: { everyMs: 1, againMs: 1, endMs: 30_000, ...times },
  });
}

const points = (key: string): unknown[] =>
  server.runs
    .flatMap(({ metrics }) => metrics.filter((metric) => metric.key === key))
    .map(({ step, value }) => [step, value]);

describe('MLflow', () => {
  it('is told params, metrics by step and epoch, files, and that the run is finished', async () => {
    const output = open({ MLFLOW_EXPERIMENT_NAME: 'bars', MLFLOW_TRACKING_TOKEN: 'secret' });
    await output.start(start());
    output.step(report(1));
    output.step(report(2, NaN));
    await output.epoch(epoch);
    await output.end(null);
    await output.over('done');
    expect(server.experiments).toEqual(['bars']);
    expect([...server.authorizations]).toEqual(['Bearer secret']);
    expect(server.runs).toMatchObject([{ info: { run_name: 'tiny', status: 'FINISHED' } }]);
    expect(server.runs[0]?.params).toMatchObject([
      { key: 'name', value: 'tiny' },
      { key: 'optimizer.learningRate', value: '0.5' },
      { key: 'long', value: 'x'.repeat(6000) },
    ]);
    expect(points('loss/total')).toEqual([
      [1, 0.5],
      [2, 'NaN'],
    ]);
    expect(points('accuracy/student')).toEqual([[2, 0.75]]);
    expect(points('accuracy/teacher a_b')).toEqual([[2, 0.875]]);
    expect([...server.artifacts]).toEqual(
      ['report.html', 'summary.json', 'recipe.yaml'].map((name) => [`0/run0/artifacts/${name}`, `the ${name}`]),
    );
    expect(said).toEqual([
      expect.stringMatching(/^info: MLflow shows the run at http:\S+\/base\/#\/experiments\/0\/runs\/run0$/),
    ]);
  });

  it('goes on with the same run behind its newest step, whatever the first coordinator had sent', async () => {
    const first = open();
    await first.start(start());
    first.step(report(1));
    first.step(report(2));
    await first.epoch(epoch);
    await first.over('stopped');
    expect(server.runs[0]?.info.status).toBe('KILLED');
    const second = open();
    // Step 3 was journalled, and never sent.
    await second.start(
      start(
        [1, 2, 3].map((step) => report(step)),
        { closedEpochs: [epoch], generation: 2 },
      ),
    );
    second.step(report(4));
    await second.over('failed');
    expect(server.runs).toHaveLength(1);
    expect(server.runs[0]?.info.status).toBe('FAILED');
    expect(points('loss/total')).toEqual([1, 2, 3, 4].map((step) => [step, step / 2]));
    expect(points('accuracy/student')).toEqual([[2, 0.75]]);
    expect(server.runs[0]?.params).toHaveLength(3);
  });

  it('is told the rest of a run whose coordinator was killed behind its summary, once', async () => {
    const killed = open();
    await killed.start(start());
    killed.step(report(1));
    while (points('loss/total').length === 0) await new Promise((resolve) => setImmediate(resolve));
    const whole = start(
      [1, 2, 3, 4].map((step) => report(step)),
      { closedEpochs: [epoch] },
    );
    await open().finished(async () => whole);
    expect(server.runs).toMatchObject([{ info: { status: 'FINISHED', end_time: 1e12 + 4 } }]);
    expect(points('loss/total')).toEqual([1, 2, 3, 4].map((step) => [step, step / 2]));
    expect(points('accuracy/student')).toEqual([[2, 0.75]]);
    expect([...server.artifacts.keys()]).toHaveLength(3);
    const { requests } = server;
    await open().finished(async () => whole);
    expect(server.requests - requests).toBe(2);
    expect(server.runs).toMatchObject([{ info: { status: 'FINISHED', end_time: 1e12 + 4 } }]);
  });

  it('is not told how a run ended that another coordinator has taken over', async () => {
    const [fenced, newer] = [open(), open()];
    await fenced.start(start());
    fenced.step(report(1));
    while (server.runs.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await newer.start(start([report(1)], { generation: 2 }));
    newer.step(report(2));
    await newer.over('done');
    await fenced.over('taken');
    expect(server.runs).toMatchObject([{ info: { status: 'FINISHED' } }]);
  });

  it('gets all of it once it answers again, with one warning', async () => {
    server.answersAlways = 503;
    const output = open();
    await output.start(start());
    for (let step = 1; step <= 300; step++) output.step(report(step));
    while (server.requests < 4) await new Promise((resolve) => setImmediate(resolve));
    server.answersAlways = null;
    await output.over('done');
    expect(points('loss/total')).toHaveLength(300);
    expect(said.filter((line) => line.startsWith('warn'))).toEqual([
      expect.stringMatching(/^warn: MLflow: \S+ answers 503: NOT_NOW, no; the run goes on, and it is asked again$/),
    ]);
  });

  it('is given up where it refuses, or never answers; the run does not fail for it', async () => {
    server.answersAlways = 401;
    const refused = open();
    await refused.start(start());
    refused.step(report(1));
    await refused.over('done');
    expect(said).toEqual([
      expect.stringMatching(/answers 401: NOT_NOW, no; the run goes on, and is not shown there any more$/),
    ]);
    said.splice(0);
    [server.answersAlways, server.isStuck] = [null, true];
    const stuck = open({}, { endMs: 20 });
    await stuck.start(start());
    await stuck.over('done');
    expect(said).toEqual([expect.stringMatching(/has not got all of the run within 0.02 s/)]);
  });

  it('shows the run as finished also where it takes no files', async () => {
    server.refusesFiles = true;
    const output = open();
    await output.start(start());
    await output.over('done');
    expect(server.runs).toMatchObject([{ info: { status: 'FINISHED' } }]);
    expect(said).toContainEqual(
      expect.stringMatching(/^warn: MLflow: \S+ answers 403: PERMISSION_DENIED; the run's files are not shown there$/),
    );
  });

  it('is not waited for, and nothing is said, where the same process goes on with the run', async () => {
    server.isStuck = true;
    const output = open({}, { endMs: 2 ** 31 - 1 });
    await output.start(start());
    await output.over('again');
    expect(said.filter((line) => line.includes('not waited for'))).toEqual([]);
  });

  it('keeps so many points and no more while it does not answer', async () => {
    server.isStuck = true;
    const output = open({}, { endMs: 20 });
    await output.start(start());
    for (let step = 1; step <= mostWaiting + 5; step++) output.step(report(step));
    await output.over('failed');
    expect(said).toContainEqual(expect.stringMatching(/^warn: MLflow lacks 5 points of the run/));
  });

  it('takes user and password, and no others than URLs of a server without any', () => {
    const given = { MLFLOW_TRACKING_USERNAME: 'u', MLFLOW_TRACKING_PASSWORD: 'p' };
    expect(mlflowAccess('https://a.example', given)).toMatchObject({
      authorization: 'Basic dTpw',
      experiment: 'Default',
    });
    expect(mlflowAccess('https://a.example', {}).authorization).toBeNull();
    const secrets = ['user:pass@a.example:5000', 'http://u:pass@a.example', 'http//u:pass@a', 'https://a/x?token=pass'];
    for (const text of ['', 'sqlite:///x', 'a.example:5000', 'http://a/#x', 'ftp://a?token=pass#x', ...secrets]) {
      expect(() => mlflowAccess(text, {})).toThrow(/^--mlflow .*wanted/);
      expect(() => mlflowAccess(text, {})).not.toThrow(/pass/);
    }
  });
});
