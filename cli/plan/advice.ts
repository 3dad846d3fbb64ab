/** What would make a planned run faster, each tried on the model. What is to be tried is the list below. Pure. */
import { compressions, type Compression } from '../../shared/compression.js';
import { limits } from '../../shared/protocol/messages.js';
import {
  predictStep,
  type PlannedCluster,
  type StepPrediction,
  type StepShape,
  type StepSpeeds,
} from './step-model.js';

export interface PlannedRun {
  readonly speeds: StepSpeeds;
  readonly shape: StepShape;
  readonly cluster: PlannedCluster;
  /** Bytes of a contribution by the way that gradients are rounded. */
  readonly bytesBy: Readonly<Record<Compression, number>>;
}

export interface Advice {
  readonly what: string;
  readonly prediction: StepPrediction;
}

type Change = (run: PlannedRun) => readonly [what: string, changed: PlannedRun] | null;

/** A change that exists in a recipe or on the command line; null where it changes nothing. */
const changes: readonly Change[] = [
  ...compressions.map(compressed),
  larger(2),
  larger(4),
  (run) =>
    run.speeds.labelMs === 0
      ? null
      : ['labels made before (stillhouse label)', { ...run, speeds: { ...run.speeds, labelMs: 0 } }],
  (run) => {
    const { hosts, workersPerHost } = run.cluster;
    const fewer = hosts > 1 ? { hosts: Math.ceil(hosts / 2) } : { workersPerHost: Math.ceil(workersPerHost / 2) };
    if (hosts * workersPerHost < 2) return null;
    return ['half of the workers', { ...run, cluster: { ...run.cluster, ...fewer } }];
  },
];

/** Gains below this share of samples a second are not worth a word. */
const leastGain = 0.05;

/** What helps, the most first; of half of the workers also what costs next to nothing. */
export function adviceFor(run: PlannedRun): Advice[] {
  const now = predictStep(run.speeds, run.shape, run.cluster);
  return changes
    .flatMap((change) => {
      const changed = change(run);
      if (changed === null) return [];
      const [what, { speeds, shape, cluster }] = changed;
      const prediction = predictStep(speeds, shape, cluster);
      const least = prediction.workers < now.workers ? 1 - leastGain : 1 + leastGain;
      return prediction.samplesPerSecond >= now.samplesPerSecond * least ? [{ what, prediction }] : [];
    })
    .sort((a, b) => b.prediction.samplesPerSecond - a.prediction.samplesPerSecond);
}

/**
 * What moves many bytes takes less in proportion, and a few bytes take what they take. What rounding costs the
 * processors is not known here.
 */
function compressed(compression: Compression): Change {
  return (run) => {
    const bytes = run.bytesBy[compression];
    const share = bytes / run.shape.bytes;
    if (!(share < 1)) return null;
    const { sendMs, receiveMs, fsyncMs } = run.speeds;
    const rest = run.shape.bytes > limits.pieceBytes ? share : 1;
    const moved = { sendMs: sendMs * rest, receiveMs: receiveMs * rest, fsyncMs: fsyncMs * rest };
    return [
      `compression: ${compression}`,
      { ...run, shape: { ...run.shape, bytes }, speeds: { ...run.speeds, ...moved } },
    ];
  };
}

/** So many times the samples and micro-batches a step. */
function larger(times: number): Change {
  return (run) => {
    const { samples, microBatches } = run.shape;
    const shape = { ...run.shape, samples: samples * times, microBatches: microBatches * times };
    return [`batch.size: ${samples * times} (another training: the learning rate with it)`, { ...run, shape }];
  };
}
