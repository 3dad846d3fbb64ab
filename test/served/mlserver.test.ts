/** A teacher on a real MLServer; STILLHOUSE_MLSERVER is its program. */
import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelServer } from '../../worker/compute/teachers/formats/kserve-client.js';
import { describeServed } from '../../worker/compute/teachers/formats/kserve-v2.js';
import { openTeacher } from '../../worker/compute/teachers/teacher-formats.js';
import { freePorts } from '../e2e/processes.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-mlserver-'));
let server: ChildProcess;
let port = 0;
const wait = { deadlineSeconds: 5, retries: 12, concurrency: 2 };
const urlOf = (path: string): string => `http://127.0.0.1:${port}/v2/models/${path}`;

beforeAll(async () => {
  cpSync(fileURLToPath(new URL('model', import.meta.url)), folder, { recursive: true });
  const [http = 0, grpc = 0, metrics = 0] = await freePorts(3);
  port = http;
  writeFileSync(
    join(folder, 'settings.json'),
    JSON.stringify({ host: '127.0.0.1', http_port: http, grpc_port: grpc, metrics_port: metrics, parallel_workers: 0 }),
  );
  server = spawn(process.env.STILLHOUSE_MLSERVER ?? 'mlserver', ['start', folder], { stdio: 'ignore', cwd: folder });
  // The client's own attempts wait until it listens.
  const { model } = await describeServed('far', new ModelServer('far', { url: urlOf('linear'), ...wait }));
  writeFileSync(join(folder, 'served-model.json'), JSON.stringify(model));
}, 120_000);
afterAll(() => void server.kill());

async function answerOf(url: string, rows: number): Promise<Float32Array> {
  const teacher = await openTeacher(
    {
      name: 'far',
      format: 'kserve-v2',
      served: { url, ...wait },
      paths: new Map([['served-model.json', join(folder, 'served-model.json')]]),
    },
    () => Promise.reject(new Error('tfjs was opened')),
  );
  expect(teacher.inputs).toEqual([{ name: 'x', shape: [64], integerType: null }]);
  return (await teacher.forward([{ shape: [rows, 64], values: samplesOf(rows) }])).output;
}

const samplesOf = (rows: number): Float32Array => Float32Array.from({ length: rows * 64 }, (_, i) => Math.cos(i));

describe('a teacher on MLServer', () => {
  it('gives what its model gives', async () => {
    const samples = samplesOf(3);
    const found = await answerOf(urlOf('linear'), 3);
    expect(found).toHaveLength(15);
    found.forEach((value, at) => {
      const [row, k] = [Math.floor(at / 5), at % 5];
      const wanted = Array.from({ length: 64 }, (_, i) => (samples[row * 64 + i] ?? 0) * Math.sin(i * 5 + k));
      expect(value).toBeCloseTo(
        wanted.reduce((a, b) => a + b, 0),
        4,
      );
    });
    expect(await answerOf(urlOf('linear/versions/7'), 3)).toEqual(found);
  });

  it('is refused for a model or a version that is not there', async () => {
    const gone = (path: string): Promise<unknown> =>
      describeServed('far', new ModelServer('far', { url: urlOf(path), ...wait, retries: 0 }));
    await expect(gone('other')).rejects.toMatchObject({ exitCode: 65, message: expect.stringContaining('404') });
    await expect(gone('linear/versions/8')).rejects.toMatchObject({ exitCode: 65 });
  });
});
