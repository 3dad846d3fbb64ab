/** The speeds of a step from the trace of a run by one worker: means over the steps that took neither long nor
 * short, so that the parts of a step add up to it. Pure. */
import type { TraceEvent } from '../../coordinator/trace/trace-file.js';
import { predictStep, type StepShape, type StepSpeeds } from './step-model.js';

/** Steps in which kernels compile and caches fill. */
const warmUpSteps = 2;

/** @returns null while there are not so many steps, or one of them has not been told by the worker yet */
export function speedsOfTrace(events: readonly TraceEvent[], shape: StepShape, steps: number): StepSpeeds | null {
  const [coordinator] = events.map(({ pid }) => pid);
  const spans = events.filter(({ ph }) => ph === 'X');
  const middle = middleSteps(spans.filter(({ name, pid }) => name === 'commit' && pid === coordinator));
  if (middle === null || middle.all < steps) return null;
  const seen = spans.filter(({ args }) => middle.steps.has(Number(args?.step)));
  const of = (isCoordinator: boolean, name: string): TraceEvent[] =>
    seen.filter((event) => event.name === name && (event.pid === coordinator) === isCoordinator);
  const total = (isCoordinator: boolean, name: string): number =>
    of(isCoordinator, name).reduce((sum, { dur = 0 }) => sum + dur / 1000, 0);
  const count = middle.steps.size;
  if (of(false, 'apply').length < count) return null;
  const parts = count * shape.microBatches;
  const speeds = {
    // Made ahead or not, it is made once; a micro-batch that was there takes no time.
    labelMs: total(false, 'label') / parts,
    studentMs: total(false, 'student') / parts,
    addMs: total(false, 'reduce') / parts,
    loadMs: total(false, 'load') / count,
    sendMs: total(false, 'send') / count,
    // Its head goes out before the coordinator applies it, its bytes after that.
    receiveMs: Math.max(0, total(false, 'receive') - total(true, 'apply')) / count,
    applyMs: total(false, 'apply') / count,
    commitReduceMs: total(true, 'reduce') / count,
    commitApplyMs: total(true, 'apply') / count,
    fsyncMs: total(true, 'fsync') / count,
    otherMs: 0,
  };
  return { ...speeds, otherMs: Math.max(0, middle.stepMs - predictStep(speeds, shape, alone).stepMs) };
}

export interface MiddleSteps {
  /** Steps that were measured, of which half is looked at: those that took neither long nor short. */
  readonly all: number;
  readonly steps: ReadonlySet<number>;
  readonly stepMs: number;
}

/** @param commits the coordinator's spans, in order. @returns null where there are not enough of them */
export function middleSteps(commits: readonly TraceEvent[]): MiddleSteps | null {
  const ended = commits.map(({ ts = 0, dur = 0, args }) => ({ step: Number(args?.step), ms: (ts + dur) / 1000 }));
  const taken = ended
    .slice(1)
    .map(({ step, ms }, i) => ({ step, ms: ms - (ended[i]?.ms ?? 0) }))
    .filter(({ step }) => step >= warmUpSteps)
    .sort((a, b) => a.ms - b.ms);
  const half = taken.slice(taken.length >> 2, taken.length - (taken.length >> 2));
  if (half.length === 0) return null;
  const stepMs = half.reduce((sum, { ms }) => sum + ms, 0) / half.length;
  return { all: taken.length, steps: new Set(half.map(({ step }) => step)), stepMs };
}

/** The cluster that was measured. */
const alone = {
  hosts: 1,
  workersPerHost: 1,
  hostBytesPerSecond: null,
  coordinatorBytesPerSecond: null,
  latencyMs: 0,
  slowdown: 1,
};
