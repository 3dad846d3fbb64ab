/** Student and replica together train as PyTorch does: test/reference/training.py made the values. */
import { describe, expect, it } from 'vitest';
import { commitScalars } from '../../../shared/replica/optimizer/scalars.js';
import { planReplica } from '../../../shared/replica/plan.js';
import { recipeSchema } from '../../../shared/recipe/schema.js';
import { lossesAtStep } from '../../shared/losses/at-step.js';
import { addSums } from '../../../shared/replica/reduction/contribution.js';
import { pool, type PooledMoments } from '../../../shared/replica/reduction/moments.js';
import { microBatchRange } from '../../../shared/replica/reduction/tree.js';
import { Replica } from '../../../shared/replica/replica.js';
import { builtinStudent, type BuiltinStudent } from '../../../worker/compute/student/builtin-students.js';
import { SoftLabels } from '../../../worker/compute/labels/soft-labels.js';
import { studentEngines } from '../../../worker/compute/open/student-engines.js';
import type { StudentEngine } from '../../../worker/compute/student/engine.js';
import { studentOf } from '../compute/student/students.js';
import { mix } from '../../../shared/ensemble/mixture.js';
import { reference, unpack, type ReferenceRun } from './reference.js';

const { classes, batch, temperature } = reference;
const inputs = unpack(reference.inputs);
const labels = Int32Array.from(reference.labels);
const sampleShape = reference.inputs.shape.slice(1);
const sampleFloats = sampleShape.reduce((a, b) => a * b, 1);
const softLabels = mix(
  'logits',
  reference.teachers.map((teacher, i) => ({
    logits_BC: unpack(teacher),
    weight: reference.teacherWeights[i] ?? 0,
    temperature,
  })),
  classes,
);
const losses = lossesAtStep({
  crossEntropy: { weight: reference.weights.crossEntropy },
  response: { weight: reference.weights.response, temperature },
});

const options: Record<ReferenceRun['student'], BuiltinStudent> = {
  mlp: { builtin: 'mlp', hidden: [12] },
  'cnn-small': { builtin: 'cnn-small', filters: 4, batchNorm: true },
};

async function train(
  run: ReferenceRun,
  engine: StudentEngine,
): Promise<{ weights: Map<string, Float32Array>; epochs: Record<string, number>[] }> {
  const optimizer = recipeSchema.shape.optimizer.parse(run.optimizer);
  const { spec } = builtinStudent(options[run.student], sampleShape, classes, 0);
  const plan = planReplica(spec, optimizer);
  const replica = new Replica(plan, { slots: 2 });
  replica.loadWeights(new Map(Object.entries(run.initial).map(([name, packed]) => [name, unpack(packed)])));
  const student = await studentOf(spec, plan, { engine });
  const totalSteps = run.epochs.length * Math.ceil(labels.length / batch);
  const epochs: Record<string, number>[] = [];
  let step = 0;
  for (let epoch = 0; epoch < run.epochs.length; epoch++) {
    let epochSums: Record<string, number> = {};
    for (let begin = 0; begin < labels.length; begin += batch, step++) {
      const size = Math.min(batch, labels.length - begin);
      const divisors = {
        crossEntropy: labels.subarray(begin, begin + size).filter((label) => label >= 0).length,
        response: size,
      };
      student.load(replica.weights, replica.frozen, replica.moving);
      let moments: PooledMoments | null = null;
      for (const j of [0, 1]) {
        const { from, to } = microBatchRange(size, 2, j);
        const [first, end] = [begin + from, begin + to];
        const targets = {
          labels: labels.subarray(first, end),
          soft: new SoftLabels(new Map([[`T=${temperature}`, softLabels.subarray(first * classes, end * classes)]]), {
            combine: 'logits',
            classes,
            teachers: [],
          }),
        };
        const part = await student.gradients(
          { inputs: inputs.subarray(first * sampleFloats, end * sampleFloats), rows: end - first, targets },
          { losses, divisors, dropoutKey: [] },
          replica.slot(j),
        );
        epochSums = addSums(epochSums, part.sums);
        moments = pool(moments, part.moments, plan.norms);
      }
      replica.addSlots(0, 1);
      const position = { update: step + 1, step, totalSteps, gradientSquares: replica.slotSquares(0) };
      replica.apply(commitScalars(plan, position), { slot: 0, moments });
    }
    epochs.push({
      crossEntropy: (epochSums.crossEntropy ?? 0) / (epochSums['crossEntropy.count'] ?? 0),
      response: (epochSums.response ?? 0) / (epochSums['response.count'] ?? 0),
    });
  }
  await student.dispose();
  return { weights: replica.readWeights(), epochs };
}

describe.each(studentEngines)('50 steps on $name in two micro-batches each, half of the samples with labels, from two teachers', (engine) => {
  it.each(reference.runs)('give the $student of $optimizer.name the weights and losses of PyTorch', async (run) => {
    const { weights, epochs } = await train(run, engine);
    expect([...weights.keys()].sort()).toEqual(Object.keys(run.weights).sort());
    for (const [name, packed] of Object.entries(run.weights)) {
      const [ours, theirs] = [weights.get(name) ?? new Float32Array(0), unpack(packed)];
      const largest = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const error = theirs.reduce((most, value, i) => Math.max(most, Math.abs(value - (ours[i] ?? NaN))), 0);
      expect(error / largest, name).toBeLessThan(1e-4);
    }
    run.epochs.forEach((expected, epoch) => {
      expect(Math.abs((epochs[epoch]?.crossEntropy ?? NaN) / expected.crossEntropy - 1)).toBeLessThan(1e-5);
      expect(Math.abs((epochs[epoch]?.response ?? NaN) / expected.response - 1)).toBeLessThan(1e-5);
    });
  });
});
