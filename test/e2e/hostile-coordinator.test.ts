/**
 * A worker as its owner starts it, and a coordinator whose model names a file below the worker's working directory:
 * nothing of that file leaves the worker.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Program } from '../../bench/programs.js';
import { coordinate } from '../../coordinator/coordinator.js';
import type { PreparedRun } from '../../coordinator/plan/prepared-run.js';
import { silentOutput } from '../../coordinator/reports/outputs/output.js';
import { sha256Of } from '../../shared/sha256.js';
import { reachingModel } from '../worker/compute/onnx/hostile-models.js';
import { prepared } from '../worker/runs/real-runs.js';
import { scratchFolder, token } from './processes.js';
import { oneToken } from '../../shared/access/credentials.js';

const scratch = scratchFolder();
afterAll(() => scratch.remove());

/** The run with a model of the coordinator's choice in place of its teachers. */
function withModel(run: PreparedRun, model: Uint8Array): PreparedRun {
  const [first] = run.teachers;
  if (first === undefined) throw new Error('a run without teachers');
  const sha256 = sha256Of(model);
  return {
    ...run,
    teachers: [{ ...first, format: 'onnx', files: [{ name: 'm.onnx', sha256, bytes: model.length }] }],
    artifacts: new Map([...run.artifacts, [sha256, { bytes: model }]]),
  };
}

describe('a coordinator whose model points at a file of the worker', () => {
  it.each(['secret/id.key', '../home/secret/id.key'])(
    'gets nothing of it, and the worker ends with one line: %s',
    async (location) => {
      const home = join(scratch.path, 'home');
      mkdirSync(join(home, 'secret'), { recursive: true });
      const secret = Float32Array.from({ length: 64 }, (_, i) => 1000 + i);
      writeFileSync(join(home, 'secret', 'id.key'), secret);
      const run = withModel(await prepared({ builtin: 'mlp', hidden: [8] }), reachingModel(location, secret.length));
      const stop = new AbortController();
      let listening: (port: number) => void = () => undefined;
      const port = new Promise<number>((resolve) => (listening = resolve));
      const out = join(scratch.path, `out-${location.length}`);
      const ended = coordinate(run, {
        listen: { host: '127.0.0.1', port: 0 },
        credentials: oneToken(token),
        out,
        stopSignal: stop.signal,
        next: false,
        onListening: listening,
        reporter: silentOutput,
        exportStudent: async () => undefined,
        expected: 1,
        times: { tickMs: 10, heartbeatMs: 50 },
      }).catch((error: unknown) => error);
      const worker = new Program(
        ['worker', `ws://127.0.0.1:${await port}`, '--backend', 'wasm'],
        { STILLHOUSE_TOKEN: token, STILLHOUSE_CACHE: join(scratch.path, `cache-${location.length}`) },
        60_000,
        [],
        home,
      );
      const { code, stderr } = await worker.ended;
      stop.abort('the test is over');
      await ended;
      expect([code, stderr]).toEqual([
        65,
        expect.stringContaining(`it keeps weights in ${location}; files of its own folder alone were wanted`) as string,
      ]);
      expect(stderr).not.toMatch(/^\s+at /m);
      expect(readFileSync(join(out, 'journal.jsonl'), 'utf8')).not.toContain('"type":"commit"');
    },
  );
});
