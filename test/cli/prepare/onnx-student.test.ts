/** What is said of an ONNX file that is to be a student. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../shared/errors.js';
import { recipeSchema } from '../../../shared/recipe/schema.js';
import type { Expected } from '../../../cli/prepare/expected.js';
import { chooseEngine } from '../../../cli/prepare/engine.js';
import type { InspectedStudent } from '../../../cli/prepare/inspected-student.js';
import { inspectStudent } from '../../../cli/prepare/student.js';
import { temporaryFolder } from '../../worker/fakes.js';
import { convNet, type ConvNet } from '../../worker/compute/student/graph/onnx-students.js';

const expected: Expected = { inputShape: [5, 4, 2], task: 'classes', classes: 3, preprocess: null };

async function inspect(
  net: Partial<ConvNet> = {},
  { layout, wanted = expected }: { layout?: 'nhwc' | 'nchw'; wanted?: Expected } = {},
): Promise<InspectedStudent> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'net.onnx'), convNet({ sample: [2, 5, 4], classes: 3, ...net }));
  return inspectStudent({ model: 'net.onnx', ...(layout === undefined ? {} : { layout }) }, wanted, {
    folder,
    seed: 1,
  });
}

async function refusal(promise: Promise<unknown>): Promise<[string, number]> {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof UserError)) throw new Error(`no UserError: ${String(error)}`);
  return [error.message, error.exitCode];
}

describe('an ONNX file as a student', () => {
  it('is taken with its weights, and fed channels first where it wants them so', async () => {
    const { spec, weights, warnings } = await inspect();
    if (!('graph' in spec)) throw new Error('no graph');
    expect([spec.graph.inputs, spec.graph.sources, warnings]).toEqual([
      [{ name: 'x', type: 'float32', feed: [2, 5, 4], isChannelsFirst: true }],
      undefined,
      [],
    ]);
    expect([...weights.keys()]).toEqual(spec.weights.map(({ name }) => name));
  });

  it('is warned of where its batch norm is gone, and told of its exits', async () => {
    expect((await inspect({ kernel: 'onnx::Conv_7', isNormed: false })).warnings[0]).toMatch(
      /^student net.onnx: its batch norm seems to have been folded .*TrainingMode.TRAINING and do_constant_folding=False$/,
    );
    expect((await inspect({ hasExit: true })).warnings).toEqual([
      'student net.onnx: it has 2 outputs; y, the last one, is its answer, and early are earlier exits',
    ]);
  });

  it('must take the samples, in a layout that is told or found', async () => {
    expect(await refusal(inspect({}, { layout: 'nhwc' }))).toEqual([
      "student net.onnx: its input x takes [2, 5, 4]; the data's samples are [5, 4, 2] with layout nhwc",
      2,
    ]);
    expect(await refusal(inspect({ sample: [3, 5, 4] }))).toEqual([
      "student net.onnx: its input x takes [3, 5, 4]; the data's samples are [5, 4, 2]",
      2,
    ]);
  });

  it('must give as many logits as there are classes, for any number of samples', async () => {
    expect(await refusal(inspect({ classes: 4 }))).toEqual([
      'student net.onnx: the shape of its output y is [4]; the data has 3 classes',
      2,
    ]);
  });

  it('is computed by no other engine than the compiled one', async () => {
    const { spec } = await inspect();
    const recipe = (backend: string): ReturnType<typeof recipeSchema.parse> =>
      recipeSchema.parse({
        name: 'r',
        student: { model: 'net.onnx' },
        losses: { crossEntropy: { weight: 1 } },
        data: { train: { format: 'npy', inputs: 'a.npy', labels: 'b.npy' } },
        optimizer: { name: 'sgd', learningRate: 0.1 },
        batch: { size: 8 },
        epochs: 1,
        numerics: { backend },
      });
    expect((await chooseEngine(recipe('auto'), spec)).engine).toBe('onnx');
    expect(await refusal(chooseEngine(recipe('wasm'), spec))).toEqual([
      'numerics.backend: wasm given; the student is an ONNX graph, so auto or onnx wanted',
      2,
    ]);
  });

  it('is refused in one line when it is damaged', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'net.onnx'), 'no model');
    expect(await refusal(inspectStudent({ model: 'net.onnx' }, expected, { folder, seed: 1 }))).toEqual([
      'student net.onnx: it is damaged or no ONNX model; a whole one was wanted',
      65,
    ]);
  });
});
