/** A plan in words. Pure. */
import { counted } from '../../shared/counted.js';
import type { Advice, PlannedRun } from './advice.js';
import { stepParts, type StepPart, type StepPrediction } from './step-model.js';

const partTexts: Readonly<Record<StepPart, string>> = {
  compute: "weights, labels and gradients on the workers' devices",
  upload: "contributions, over the coordinator's link and through its one thread",
  commit: 'reduction and application at the coordinator',
  fsync: "log and journal on the coordinator's disk",
  broadcast: "the commit to all workers, over the coordinator's link and through its one thread",
  apply: 'the commit applied by the workers',
  other: 'all else',
};

export function planText({ cluster, shape }: PlannedRun, now: StepPrediction, advice: readonly Advice[]): string[] {
  const { workers, busyWorkers, stepMs, parts, contributions, bytesIn, bytesOut } = now;
  const total = bytesIn + bytesOut;
  return [
    `${counted(workers, 'worker')} (${counted(cluster.hosts, 'host')}, ${cluster.workersPerHost} each): ${ms(stepMs)} a step, ${Math.round(now.samplesPerSecond)} samples/s, efficiency ${percent(now.efficiency)}`,
    ...stepParts
      .filter((part) => parts[part] > 0)
      .map(
        (part) =>
          `  ${percent(parts[part] / stepMs).padStart(5)}  ${ms(parts[part]).padStart(9)}  ${part}: ${partTexts[part]}`,
      ),
    `bottleneck: ${now.bottleneck}`,
    `the coordinator's link: ${megabytes(bytesIn)} in (${counted(contributions, 'contribution')}) and ${megabytes(bytesOut)} out a step, ${((total * 8) / stepMs / 1e6).toFixed(2)} Gbit/s`,
    ...(busyWorkers < workers
      ? [
          `${counted(shape.microBatches, 'micro-batch')} a step give ${busyWorkers} of ${workers} workers something to do`,
        ]
      : []),
    ...(advice.length === 0 ? ['nothing that the plan knows would make it 5 % faster'] : ['what would help:']),
    ...advice.map(
      ({ what, prediction }) =>
        `  ${what}: ${ms(prediction.stepMs)} a step, ${Math.round(prediction.samplesPerSecond)} samples/s, efficiency ${percent(prediction.efficiency)}`,
    ),
  ];
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 0)} ms`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`;
}
