/** A plan as a prepared run with its units: what the real run and the real core are given of it. */
import type { Unit } from '../../../coordinator/decide/types.js';
import type { PreparedRun } from '../../../coordinator/plan/prepared-run.js';
import type { UnitPlan } from '../../../coordinator/plan/units.js';
import type { TeacherSpec } from '../../../shared/protocol/messages.js';
import { initialWeights } from '../../worker/fakes.js';
import { recipe, spec } from './arithmetic.js';
import { teacherNames, type Plan } from './plan.js';

/** The plan's units in order: one sample a micro-batch. */
export function unitsOf({ units }: Plan): Unit[] {
  let [step, sample] = [0, 0];
  return units.map(({ kind, microBatches }) => {
    const unit: Unit = {
      kind,
      ...(kind === 'evaluate' ? { subject: 'student' as const } : {}),
      step,
      epoch: 0,
      from: sample,
      to: sample + microBatches,
      microBatches,
    };
    if (kind === 'train') [step, sample] = [step + 1, sample + microBatches];
    return unit;
  });
}

/** One epoch of all of the units. */
export function unitPlanOf(units: readonly Unit[]): UnitPlan {
  const totalSteps = units.filter(({ kind }) => kind === 'train').length;
  return {
    // A plan may be of evaluations alone.
    stepsPerEpoch: Math.max(1, totalSteps),
    totalSteps,
    epochs: 1,
    units: units.length,
    unitAt: (index) => units[index],
    closesEpoch: (index) => index === units.length - 1,
  };
}

const digest = (letter: string): string => letter.repeat(64);
const teachers = teacherNames.map((name): TeacherSpec => ({
  name,
  format: 'onnx',
  weight: 1,
  temperature: null,
  output: 'logits',
  layout: 'nhwc',
  classes: 2,
  parameters: 1,
  files: [{ name: `${name}.onnx`, sha256: digest('a'), bytes: 1 }],
}));
const weights = initialWeights(spec);

/** Shards of two samples. */
function shardsOf(samples: number): PreparedRun['manifest']['train']['shards'] {
  return Array.from({ length: Math.ceil(samples / 2) }, (_, i) => ({
    sha256: digest('f'),
    bytes: 8,
    samples: Math.min(2, samples - 2 * i),
  }));
}

export function preparedRunOf(plan: Plan, units: readonly Unit[]): PreparedRun {
  const samples = Math.max(0, ...units.map(({ to }) => to));
  return {
    recipe: {
      ...recipe,
      audit: plan.audit,
      compression: plan.compression,
      snapshots: { ...recipe.snapshots, everySteps: plan.snapshotEvery, everySeconds: Infinity },
      ensemble: { ...recipe.ensemble, onFailure: plan.teachers?.onFailure ?? 'stop' },
    },
    recipeFolder: '.',
    name: 'simulated',
    recipeDigest: digest('e'),
    student: spec,
    engines: { student: 'onnx' },
    initialWeights: weights,
    teachers,
    plugins: [],
    artifacts: new Map(),
    studentArtifact: { sha256: digest('b'), bytes: 1 },
    manifestArtifact: { sha256: digest('c'), bytes: 1 },
    manifest: {
      train: { samples, shape: [1], dtype: 'float32', shards: shardsOf(samples) },
      eval: { samples, shape: [1], dtype: 'float32', shards: shardsOf(samples) },
      classes: 2,
      preprocess: null,
    },
    trainLabels: new Int32Array(samples),
    sampleAt: (_epoch, position) => position,
    shardsIn: (_epoch, from, to) => Array.from({ length: Math.ceil(to / 2) - (from >> 1) }, (_, i) => (from >> 1) + i),
  };
}
