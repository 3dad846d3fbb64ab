/** Students of Keras 3, as the converter writes them (test/reference/keras3.py): read, written again, and read again. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Expected } from '../../../cli/prepare/expected.js';
import type { InspectedStudent } from '../../../cli/prepare/inspected-student.js';
import { inspectStudent } from '../../../cli/prepare/student.js';
import type { TensorFlow } from '../../../worker/compute/backends/backend.js';
import { openWasm } from '../../../worker/compute/backends/wasm/wasm.js';
import { exportStudent } from '../../../worker/tools/export/export-student.js';
import { keras3, keras3Cases, type Keras3Case } from '../../reference/keras3.js';

let tf: TensorFlow;
beforeAll(async () => {
  ({ tf } = await openWasm());
});

const temporary = (): string => mkdtempSync(join(tmpdir(), 'stillhouse-keras3-'));

function inspect(folder: string, shape: readonly number[]): Promise<InspectedStudent> {
  const expected: Expected = { inputShape: shape.slice(1), task: 'classes', classes: 3, preprocess: null };
  return inspectStudent({ model: 'model.json' }, expected, { folder, seed: 5 });
}

const fileSchema = z.object({
  modelTopology: z.record(z.string(), z.unknown()),
  weightsManifest: z.tuple([
    z.object({
      weights: z.array(z.object({ name: z.string(), shape: z.array(z.number()), dtype: z.literal('float32') })),
    }),
  ]),
});

/** What plain tfjs computes with the two files that a run writes. */
async function outputsOf(folder: string, { inputs, shape }: Keras3Case): Promise<ArrayLike<number>[]> {
  const { modelTopology, weightsManifest } = fileSchema.parse(
    JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8')),
  );
  const weightData = Uint8Array.from(readFileSync(join(folder, 'weights.bin'))).buffer;
  const model = await tf.loadLayersModel(
    tf.io.fromMemory({ modelTopology, weightSpecs: weightsManifest[0].weights, weightData }),
  );
  const outputs = tf.tidy(() =>
    [model.predict(tf.tensor([...inputs], [...shape]))].flat().map((output) => output.dataSync()),
  );
  model.dispose();
  return outputs;
}

/** Softmax and its logarithm, which take away what a student's logits may differ by from Keras' outputs. */
function logSoftmax(row: readonly number[]): number[] {
  const most = Math.max(...row);
  const sum = row.reduce((total, value) => total + Math.exp(value - most), 0);
  return row.map((value) => value - most - Math.log(sum));
}

function answers(name: string, outputs: ArrayLike<number>): number[] {
  const rows = [0, 3].map((from) => Array.from({ length: 3 }, (_, i) => outputs[from + i] ?? NaN));
  return rows.flatMap((row) => (name === 'image' ? logSoftmax(row.map((value) => Math.log(value))) : logSoftmax(row)));
}

// Layers that act in training alone cannot be keyed; an activation of its own at the end is no softmax to be left out.
const students = keras3Cases.filter(({ name }) => name !== 'augmented');

describe('a student of Keras 3', () => {
  it.each(students.map((one) => [one.name, one.form, one] as const))(
    '%s by way of %s is written so that tfjs and another run read it',
    async (name, _, one) => {
      const folder = temporary();
      one.write(folder);
      const { spec, weights } = await inspect(folder, one.shape);
      const written = temporary();
      await exportStudent(spec, weights, written);
      const outputs = await outputsOf(written, one);
      expect(outputs).toHaveLength(one.outputs.length);
      for (const [i, wanted] of one.outputs.entries()) {
        const given = answers('', outputs[i] ?? []);
        for (const [at, value] of answers(name, wanted).entries())
          expect(Math.abs((given[at] ?? NaN) - value)).toBeLessThan(2e-5);
      }
      const again = await inspect(written, one.shape);
      expect(again.spec).toEqual(spec);
      expect([...again.weights]).toEqual([...weights]);
    },
  );

  it('is drawn from the seed where it has no weights', async () => {
    const [image] = keras3Cases;
    const folder = temporary();
    image?.write(folder);
    const { weightsManifest: _, ...json } = z
      .record(z.string(), z.unknown())
      .parse(JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8')));
    writeFileSync(join(folder, 'model.json'), JSON.stringify(json));
    const { weights } = await inspect(folder, image?.shape ?? []);
    const again = await inspect(folder, image?.shape ?? []);
    expect([...again.weights]).toEqual([...weights]);
    const kernel = weights.get('conv2d/kernel') ?? [];
    expect(new Set(kernel).size).toBe(3 * 3 * 3 * 4);
  });

  it.each([
    ['augmented', 'layer random_flip (RandomFlip): it changes samples at random, which cannot be keyed'],
    ['gru', 'layer gru (GRU): reset_after is true'],
  ])('%s is refused with the layer and the wish: exit code 65', async (name, message) => {
    const folder = temporary();
    const one = keras3Cases.find((found) => found.name === name);
    if (one !== undefined) one.write(folder);
    else
      writeFileSync(
        join(folder, 'model.json'),
        JSON.stringify({ format: 'layers-model', modelTopology: keras3.refused[name] }),
      );
    await expect(inspect(folder, [2, 6, 6, 3])).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringContaining(`student model.json: ${message}`) as string,
    });
  });
});
