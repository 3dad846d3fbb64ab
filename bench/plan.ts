/**
 * node dist/bench/plan.js [--workers 1,2,3,4] [--mbit 0,100] [--hidden 1024,1024] [--steps 16]
 *
 * What `stillhouse plan` predicts beside what runs take: the speeds are measured by one worker, as the verb does, then
 * runs of so many local workers, on links of so many Mbit/s each (0: loopback as it is), are predicted and run. Workers
 * beyond the machine's cores share them, which the model is told.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openRecipe, openRun } from '../cli/open.js';
import { measureSpeeds, traceUntil } from '../cli/plan-speeds.js';
import { shapeOf } from '../cli/plan/shape.js';
import { middleSteps } from '../cli/plan/speeds-of-trace.js';
import { predictStep } from '../cli/plan/step-model.js';
import type { PreparedRun } from '../coordinator/plan/prepared-run.js';
import type { TraceEvent } from '../coordinator/trace/trace-file.js';
import { randomStream } from '../shared/random.js';
import { Proxy } from './proxy.js';

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '1,2,3,4' },
    mbit: { type: 'string', default: '0,100' },
    hidden: { type: 'string', default: '1024,1024' },
    steps: { type: 'string', default: '16' },
  },
});
const steps = Number(values.steps);
const numbers = (text: string): number[] => text.split(',').map(Number);

async function preparedIn(folder: string): Promise<PreparedRun> {
  const random = randomStream(['plan']);
  const line = (i: number): string => [...Array.from({ length: 64 }, () => random.float().toFixed(3)), i % 4].join();
  await writeFile(join(folder, 'data.csv'), `${Array.from({ length: 6400 }, (_, i) => line(i)).join('\n')}\n`);
  const file = join(folder, 'recipe.yaml');
  await writeFile(
    file,
    `name: planned
student: { builtin: mlp, hidden: [${values.hidden}] }
losses: { crossEntropy: { weight: 1 } }
data: { train: { format: csv, inputs: data.csv, labels: 64, header: false, shape: [8, 8, 1] }, classes: 4 }
optimizer: { name: adam, learningRate: 0.0001 }
batch: { size: 128, micro: 16 }
epochs: 4
`,
  );
  const { recipe } = await openRecipe(file, { set: [] });
  return openRun(recipe, file, { quiet: true });
}

const commitsIn = (events: readonly TraceEvent[]): TraceEvent[] =>
  events.filter(({ name, ph }) => name === 'commit' && ph === 'X');

/** Milliseconds of a step by so many workers. */
async function measuredMs(run: PreparedRun, workers: number, bytesPerSecond: number | null): Promise<number> {
  let proxy: Proxy | null = null;
  const through = async (port: number): Promise<number> => {
    proxy = new Proxy(port, () => (bytesPerSecond === null ? {} : { bytesPerSecond }));
    return proxy.listen();
  };
  try {
    const isEnough = (events: readonly TraceEvent[]): boolean => (middleSteps(commitsIn(events))?.all ?? 0) >= steps;
    const traced = { run, flags: { workers, quiet: true } };
    const events = await traceUntil(isEnough, bytesPerSecond === null ? traced : { ...traced, via: through });
    return middleSteps(commitsIn(events))?.stepMs ?? NaN;
  } finally {
    (proxy as Proxy | null)?.close();
  }
}

const folder = await mkdtemp(join(tmpdir(), 'stillhouse-bench-plan-'));
try {
  const run = await preparedIn(folder);
  const { shape } = await shapeOf(run);
  const speeds = await measureSpeeds(run, shape, { steps, flags: {} });
  console.log(JSON.stringify({ bytes: shape.bytes, speeds }));
  for (const mbit of numbers(values.mbit)) {
    for (const workers of numbers(values.workers)) {
      const rate = mbit === 0 ? null : (mbit * 1e6) / 8;
      const predicted = predictStep(speeds, shape, {
        hosts: mbit === 0 ? 1 : workers,
        workersPerHost: mbit === 0 ? workers : 1,
        hostBytesPerSecond: rate,
        // The proxy holds back each worker, and nobody the coordinator.
        coordinatorBytesPerSecond: null,
        latencyMs: 0,
        slowdown: Math.max(1, workers / availableParallelism()),
      });
      const measured = await measuredMs(run, workers, rate);
      const link = mbit === 0 ? 'loopback' : `${mbit} Mbit/s`;
      console.log(
        `${workers} workers, ${link}: predicted ${predicted.stepMs.toFixed(1)} ms, measured ${measured.toFixed(1)} ms, ratio ${(predicted.stepMs / measured).toFixed(2)} (${predicted.bottleneck})`,
      );
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
