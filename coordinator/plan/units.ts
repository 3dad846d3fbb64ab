/**
 * The plan of a run: its units in the order of their commits, as arithmetic over the sizes of the data. Pure; nothing
 * is listed, so a run of a million steps costs what one of ten does.
 *
 *   [teachers' evaluation]  epoch 0: steps, [student's evaluation]  epoch 1: steps, ...
 *
 * The student is evaluated after every `everyEpochs` epochs and after the last one.
 */
import { microBatchCount } from '../../shared/replica/reduction/tree.js';
import type { Losses } from '../../shared/recipe/loss-schema.js';
import { termsIn } from '../../shared/recipe/terms.js';
import type { Unit } from '../decide/types.js';

export interface PlanInput {
  readonly trainSamples: number;
  /** 0: nothing is evaluated. */
  readonly evalSamples: number;
  readonly hasTeachers: boolean;
  readonly batch: { readonly size: number; readonly micro: number };
  /** At least one of the two; with both, whichever ends first. */
  readonly epochs?: number | undefined;
  readonly steps?: number | undefined;
  readonly everyEpochs: number;
}

export interface UnitPlan {
  readonly stepsPerEpoch: number;
  /** Training steps in all. */
  readonly totalSteps: number;
  readonly epochs: number;
  readonly units: number;
  readonly unitAt: (index: number) => Unit | undefined;
  /** Whether nothing of the unit's epoch comes after it. */
  readonly closesEpoch: (index: number) => boolean;
}

export function planUnits(input: PlanInput): UnitPlan {
  const stepsPerEpoch = Math.ceil(input.trainSamples / input.batch.size);
  const totalSteps = Math.min(input.steps ?? Infinity, (input.epochs ?? Infinity) * stepsPerEpoch);
  const epochs = Math.ceil(totalSteps / stepsPerEpoch);
  const isEvaluated = input.evalSamples > 0;
  const lead = isEvaluated && input.hasTeachers ? 1 : 0;
  const cycle = { epochs: input.everyEpochs, units: input.everyEpochs * stepsPerEpoch + (isEvaluated ? 1 : 0) };
  const fullCycles = Math.ceil(epochs / cycle.epochs) - 1;
  const lastSteps = totalSteps - fullCycles * cycle.epochs * stepsPerEpoch;
  const units = lead + fullCycles * cycle.units + lastSteps + (isEvaluated ? 1 : 0);
  const unitAt = (index: number): Unit | undefined => {
    if (index < 0 || index >= units) return undefined;
    if (index < lead) return evaluation(input, { subject: 'teachers', step: 0, epoch: 0 });
    const cyclesBefore = Math.min(fullCycles, Math.floor((index - lead) / cycle.units));
    const inCycle = index - lead - cyclesBefore * cycle.units;
    const cycleSteps = cyclesBefore < fullCycles ? cycle.epochs * stepsPerEpoch : lastSteps;
    const step = cyclesBefore * cycle.epochs * stepsPerEpoch + Math.min(inCycle, cycleSteps);
    if (inCycle < cycleSteps) return trainStep(input, step, stepsPerEpoch);
    return evaluation(input, { subject: 'student', step, epoch: Math.floor((step - 1) / stepsPerEpoch) });
  };
  return {
    stepsPerEpoch,
    totalSteps,
    epochs,
    units,
    unitAt,
    closesEpoch: (index) => index >= lead && unitAt(index + 1)?.epoch !== unitAt(index)?.epoch,
  };
}

function trainStep(input: PlanInput, step: number, stepsPerEpoch: number): Unit {
  const from = (step % stepsPerEpoch) * input.batch.size;
  const to = Math.min(input.trainSamples, from + input.batch.size);
  return {
    kind: 'train',
    step,
    epoch: Math.floor(step / stepsPerEpoch),
    from,
    to,
    microBatches: microBatchCount(to - from, input.batch.micro),
  };
}

function evaluation(input: PlanInput, at: { subject: 'student' | 'teachers'; step: number; epoch: number }): Unit {
  const microBatches = microBatchCount(input.evalSamples, input.batch.micro);
  return { kind: 'evaluate', ...at, from: 0, to: input.evalSamples, microBatches };
}

/** What the divisors of a training step depend on. */
export interface DivisorSource {
  /** The recipe's. */
  readonly losses: Losses;
  /** Per sample id (and position of a sequence): its label, -1 for none. */
  readonly labels: Int32Array;
  /** As labels; absent: all are 1. */
  readonly weights?: Float32Array | undefined;
  /** Positions of a sequence; 1 where samples are no sequences. */
  readonly positions?: number | undefined;
  /** Sample id at a position of an epoch's order. */
  readonly sampleAt: (epoch: number, position: number) => number;
}

/**
 * Per loss term, what its sum over the unit's global batch is divided by: the weights of the labelled samples for terms
 * of labels, of all samples for the others; a sample without a weight counts 1. Of sequences the positions' in place of
 * the samples'.
 */
export function divisorsOf(unit: Unit, source: DivisorSource): Record<string, number> {
  if (unit.kind === 'evaluate') return {};
  const { all, labelled } = weightsIn(unit, source);
  return Object.fromEntries(
    termsIn(source.losses).map(({ name, over }) => [name, over === 'labelled' ? labelled : all]),
  );
}

/** In float64, in the order of the epoch. */
function weightsIn(
  unit: Unit,
  { labels, weights, positions = 1, sampleAt }: DivisorSource,
): { readonly all: number; readonly labelled: number } {
  let [all, labelled] = [0, 0];
  for (let position = unit.from; position < unit.to; position++) {
    const id = sampleAt(unit.epoch, position);
    for (let at = id * positions; at < (id + 1) * positions; at++) {
      const weight = weights?.[at] ?? 1;
      all += weight;
      if ((labels[at] ?? -1) >= 0) labelled += weight;
    }
  }
  return { all, labelled };
}
