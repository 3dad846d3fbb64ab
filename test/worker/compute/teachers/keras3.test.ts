/** LayersModels of Keras 3, as the converter writes them, beside what Keras itself computes (test/reference/keras3.py). */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { asTfjsReads } from '../../../../shared/models/keras-forms.js';
import type { TensorFlow } from '../../../../worker/compute/backends/backend.js';
import { openWasm } from '../../../../worker/compute/backends/wasm/wasm.js';
import { layersModelOnnx } from '../../../../worker/compute/teachers/formats/layers-model-onnx.js';
import { loadLayersModel } from '../../../../worker/compute/teachers/formats/load-layers-model.js';
import type { TeacherSource } from '../../../../worker/compute/teachers/formats/teacher.js';
import { keras3, keras3Cases, type Keras3Case } from '../../../reference/keras3.js';

let tf: TensorFlow;
beforeAll(async () => {
  ({ tf } = await openWasm());
});

function sourceOf({ name, write }: Keras3Case): TeacherSource {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-keras3-'));
  return { name, format: 'layers-model', paths: new Map(write(folder).map((file) => [file, join(folder, file)])) };
}

/** The greatest difference, as a part of the greatest value. */
function difference(given: ArrayLike<number>, wanted: readonly number[]): number {
  expect(given.length).toBe(wanted.length);
  const scale = Math.max(1, ...wanted.map(Math.abs));
  return Math.max(...wanted.map((value, i) => Math.abs(value - (given[i] ?? NaN)))) / scale;
}

const titled = (cases: readonly Keras3Case[]): [string, string, Keras3Case][] =>
  cases.map((one) => [one.name, one.form, one]);

describe('a model of Keras 3', () => {
  it.each(titled(keras3Cases))('%s by way of %s gives in tfjs what it gives in Keras', async (_, __, one) => {
    const { model } = await loadLayersModel(sourceOf(one), tf);
    const given = tf.tidy(() =>
      [model.predict(tf.tensor([...one.inputs], [...one.shape]))].flat().map((output) => output.dataSync()),
    );
    expect(given).toHaveLength(one.outputs.length);
    for (const [i, wanted] of one.outputs.entries()) expect(difference(given[i] ?? [], wanted)).toBeLessThan(1e-5);
    model.dispose();
  });

  // ONNX has no form for several outputs of a teacher, nor for a layer that is applied several times.
  const asGraphs = keras3Cases.filter(({ name }) => name !== 'two-outputs' && name !== 'models-inside');
  it.each(titled(asGraphs))('%s by way of %s gives the same as an ONNX graph', async (_, __, one) => {
    const session = await InferenceSession.create(await layersModelOnnx(sourceOf(one), () => Promise.resolve(tf)));
    const fed = { input: new Tensor('float32', Float32Array.from(one.inputs), one.shape) };
    const { output } = await session.run(fed, ['output']);
    if (!(output?.data instanceof Float32Array)) throw new Error('no float32');
    expect(difference(output.data, one.outputs[0] ?? [])).toBeLessThan(1e-5);
    await session.release();
  });

  it('holds no tensors but its weights', async () => {
    const [image] = keras3Cases;
    if (image === undefined) throw new Error('no case');
    const before = tf.memory().numTensors;
    const { model } = await loadLayersModel(sourceOf(image), tf);
    expect(tf.memory().numTensors - before).toBe(model.weights.length);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('what tfjs cannot compute', () => {
  it.each([
    ['group-normalization', 'layer group_normalization (GroupNormalization): it cannot be read; the model as ONNX'],
    ['groups', 'layer conv2d_1 (Conv2D): groups is 3, which tfjs cannot compute; 1 was wanted, or the model as ONNX'],
    ['own-layer', 'layer own (Own): it cannot be read; the model as ONNX'],
    ['relu-threshold', 'layer re_lu (ReLU): threshold is 0.5, which tfjs cannot compute; 0 was wanted'],
    ['activation', 'layer conv2d_2 (Conv2D): its activation is celu, which tfjs cannot compute; one of linear, relu'],
    ['attention', 'layer multi_head_attention (MultiHeadAttention): it cannot be read; the model as ONNX'],
    ['initial-state', 'layer lstm (LSTM): it is given a tensor as initial_state, which tfjs does not take'],
    ['gru', 'layer gru (GRU): reset_after is true, which tfjs cannot compute; false was wanted'],
    ['masked-pool', '(GlobalAveragePooling1D): masked steps do not count in it, which tfjs cannot compute'],
    ['masked-directions', '(LSTM): zero_output_for_mask is true, which tfjs cannot compute; false was wanted'],
    ['branch-in-chain', '(Conv2D): it needs branches in tfjs; a Functional model was wanted'],
  ])('%s is refused with the layer and the wish', (name, message) => {
    const read = (): unknown => asTfjsReads(keras3.refused[name] ?? {}, { owner: 'teacher t', isTrained: false });
    expect(read).toThrow(`teacher t: `);
    expect(read).toThrow(message);
  });

  it('is every one of the list', () => {
    expect(Object.keys(keras3.refused)).toHaveLength(11);
  });
});
