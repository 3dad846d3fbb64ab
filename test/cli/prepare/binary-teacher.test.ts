/** Teachers of two classes that give one number of each sample. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TeacherRecipe } from '../../../shared/recipe/schema.js';
import { inspectTeacher, type InspectedTeacher } from '../../../cli/prepare/teacher.js';
import type { Expected } from '../../../cli/prepare/expected.js';
import { floats } from '../../../worker/compute/onnx/graph.js';
import { ownOperatorSets, writeOnnx } from '../../../worker/compute/onnx/write.js';
import { Ensemble } from '../../../worker/compute/teachers/ensemble.js';
import { noTensorFlow } from '../../worker/compute/teachers/fixtures.js';
import { temporaryFolder } from '../../worker/fakes.js';

const folder = temporaryFolder();
const expected: Expected = {
  inputShape: [2],
  task: 'classes',
  classes: 2,
  classNames: ['no', 'yes'],
  preprocess: null,
};

/** 3 x0 - 2 x1, or the sigmoid of that. */
function write(name: string, isSigmoid: boolean): string {
  writeFileSync(
    join(folder, name),
    writeOnnx({
      operatorSets: ownOperatorSets,
      graph: {
        inputs: [{ name: 'x', type: 'float32', shape: ['n', 2] }],
        outputs: [{ name: 'y', type: 'float32', shape: ['n', 1] }],
        constants: [floats('w', [2, 1], Float32Array.of(3, -2))],
        nodes: [
          { op: 'MatMul', inputs: ['x', 'w'], outputs: ['z'], attributes: {} },
          { op: isSigmoid ? 'Sigmoid' : 'Identity', inputs: ['z'], outputs: ['y'], attributes: {} },
        ],
      },
    }),
  );
  return name;
}

const logit = write('logit.onnx', false);
const sigmoid = write('sigmoid.onnx', true);

const inspect = (model: string, fields: Partial<TeacherRecipe> = {}, wanted = expected): Promise<InspectedTeacher> =>
  inspectTeacher({ name: 'one', model, weight: 1, output: 'logits', ...fields }, wanted, {
    folder,
    openTensorFlow: noTensorFlow,
    openNative: noTensorFlow,
  });

async function logitsOf({ spec, paths }: InspectedTeacher): Promise<Float32Array> {
  const ensemble = await Ensemble.open([spec], paths, {
    combine: 'logits',
    rows: 2,
    inputShape: [2],
    openTensorFlow: noTensorFlow,
  });
  const found = (await ensemble.logits(Float32Array.of(1, 1, -1, 0.5), 2)).get('one');
  await ensemble.dispose();
  return found ?? new Float32Array(0);
}

describe('a teacher of two classes that gives one number', () => {
  it('is taken to give the logit of the second class, and says so', async () => {
    const found = await inspect(logit);
    expect([found.spec.isBinary, found.warnings]).toEqual([
      true,
      ['teacher one: it gives one number of each sample, which is taken for the logit of the second class'],
    ]);
    expect([...(await logitsOf(found))]).toEqual([0, 1, 0, -4]);
  });

  it('is taken to give its probability where the recipe says that it gives probabilities', async () => {
    const found = await inspect(sigmoid, { output: 'probabilities' });
    expect(found.warnings).toEqual([
      'teacher one: it gives one number of each sample, which is taken for the probability of the second class',
    ]);
    const [a = 0, b = 0, c = 0, d = 0] = await logitsOf(found);
    expect(b - a).toBeCloseTo(1, 5);
    expect(d - c).toBeCloseTo(-4, 4);
    expect(Math.exp(a) + Math.exp(b)).toBeCloseTo(1, 6);
  });

  it('is warned of where its numbers look like the other', async () => {
    expect((await inspect(sigmoid)).warnings[1]).toMatch(
      /all from 0 to 1, so it gives probabilities; .* add "output: probabilities"/,
    );
    expect((await inspect(logit, { output: 'probabilities' })).warnings[1]).toMatch(/not all from 0 to 1/);
  });

  it('has its classes in the order of its names', async () => {
    const found = await inspect(logit, { classes: ['yes', 'no'] });
    expect([...(await logitsOf(found))]).toEqual([1, 0, -4, 0]);
  });

  it('is refused where the data has more classes', async () => {
    const more = { ...expected, classes: 3, classNames: ['a', 'b', 'c'] };
    await expect(inspect(logit, {}, more)).rejects.toMatchObject({
      exitCode: 2,
      message: 'teacher one: it gives 1 class; the data has 3',
    });
  });
});
