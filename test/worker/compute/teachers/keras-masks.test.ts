/** Masks of Keras in a LayersModel teacher: the numbers are means by hand, as Keras gives them. */
import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { lostMask, maskAsKeras } from '../../../../worker/compute/teachers/formats/keras-masks.js';
import { openTensorFlow } from './fixtures.js';

const tf = await openTensorFlow();

/** What a model makes of the tokens 1, 2 and the padding 0, whose embeddings are 2, 4 and 9. */
function answer(layers: (embedded: SymbolicTensor) => SymbolicTensor): number {
  const input = tf.input({ shape: [3], name: 'ids' });
  const embedding = tf.layers.embedding({ inputDim: 3, outputDim: 1, maskZero: true });
  const output = layers(embedding.apply(input) as SymbolicTensor);
  const model: LayersModel = tf.model({ inputs: input, outputs: output });
  embedding.setWeights([tf.tensor2d([[9], [2], [4]])]);
  maskAsKeras(tf, model.layers);
  const given = model.predict(tf.tensor2d([[1, 2, 0]]));
  return [given].flat()[0]?.dataSync()[0] ?? NaN;
}

const mean = (x: SymbolicTensor): SymbolicTensor => tf.layers.globalAveragePooling1d({}).apply(x) as SymbolicTensor;

it('a mean over steps leaves masked ones out', () => {
  expect(answer(mean)).toBeCloseTo(3, 6);
  expect(answer((x) => mean(tf.layers.activation({ activation: 'relu' }).apply(x) as SymbolicTensor))).toBeCloseTo(
    3,
    6,
  );
});

it('a mean over branches that are added leaves out what either masks', () => {
  expect(answer((x) => mean(tf.layers.add().apply([x, x]) as SymbolicTensor))).toBeCloseTo(6, 6);
});

it('a mean behind layers that end a mask counts every step', () => {
  expect(answer((x) => mean(tf.layers.reshape({ targetShape: [3, 1] }).apply(x) as SymbolicTensor))).toBeCloseTo(5, 6);
});

it('is told of a model inside whose mask would be lost behind it', () => {
  const inside = (pooled: boolean): LayersModel => {
    const input = tf.input({ shape: [3] });
    const embedded = tf.layers.embedding({ inputDim: 3, outputDim: 1, maskZero: true }).apply(input) as SymbolicTensor;
    const encoder = tf.model({ inputs: input, outputs: pooled ? mean(embedded) : embedded, name: 'encoder' });
    const ids = tf.input({ shape: [3] });
    const given = encoder.apply(ids) as SymbolicTensor;
    return tf.model({ inputs: ids, outputs: pooled ? given : mean(given) });
  };
  expect(lostMask(inside(false).layers)).toBe('encoder');
  expect(lostMask(inside(true).layers)).toBeNull();
});
