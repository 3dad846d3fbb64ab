/** Layers of one name in different models inside of a teacher, which Keras allows: each gets its own weights. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { withOwnNames } from '../../../../shared/models/equal-names.js';
import { layersModelOnnx } from '../../../../worker/compute/teachers/formats/layers-model-onnx.js';
import { loadLayersModel } from '../../../../worker/compute/teachers/formats/load-layers-model.js';
import type { TeacherSource } from '../../../../worker/compute/teachers/formats/teacher.js';
import { openTensorFlow, saveLayersModel } from './fixtures.js';

const l = tf.layers;
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-names-'));
const draws = (seed: number) => tf.initializers.randomNormal({ seed });
const samples = [
  [1, -2, 3, 0.5],
  [0.25, 4, -1, 2],
];
let wanted: number[];

/** A chain without a bias, a chain, and a graph, all of which have layers fc and norm, as the outermost model has. */
function chained(): tf.LayersModel {
  const chain = (name: string, seed: number, useBias: boolean): tf.Sequential =>
    tf.sequential({
      name,
      layers: [
        l.dense({
          name: 'fc',
          units: 4,
          useBias,
          inputShape: [4],
          kernelInitializer: draws(seed),
          biasInitializer: draws(seed + 1),
        }),
        l.batchNormalization({
          name: 'norm',
          movingMeanInitializer: draws(seed + 2),
          gammaInitializer: draws(seed + 3),
        }),
      ],
    });
  const inner = tf.input({ shape: [4] });
  const dense = l
    .dense({ name: 'fc', units: 4, kernelInitializer: draws(21), biasInitializer: draws(22) })
    .apply(inner);
  const sum = l.add().apply([dense as tf.SymbolicTensor, inner]) as tf.SymbolicTensor;
  const graph = tf.model({ name: 'graph', inputs: inner, outputs: sum });
  const x = tf.input({ shape: [4] });
  const parts = [chain('bare', 1, false), chain('whole', 11, true), graph].map((part) => part.apply(x));
  const joined = l.concatenate().apply(parts as tf.SymbolicTensor[]);
  const fc = l.dense({ name: 'fc', units: 3, kernelInitializer: draws(31), biasInitializer: draws(32) });
  return tf.model({ inputs: x, outputs: fc.apply(joined) as tf.SymbolicTensor });
}

function source(name: string): TeacherSource {
  const at = join(folder, name);
  const files = ['model.json', 'a.bin', 'b.bin'];
  return { name: 't', format: 'layers-model', paths: new Map(files.map((file) => [file, join(at, file)])) };
}

beforeAll(async () => {
  await openTensorFlow();
  const model = chained();
  wanted = [...(model.predict(tf.tensor2d(samples)) as tf.Tensor).dataSync()];
  await saveLayersModel(model, join(folder, 'chained'));
});

function expectWanted(given: ArrayLike<number>): void {
  expect(given.length).toBe(wanted.length);
  wanted.forEach((value, i) => expect(given[i]).toBeCloseTo(value, 4));
}

describe('a teacher whose inner models have layers of one name', () => {
  it('gives what it gave before it was saved', async () => {
    const { model } = await loadLayersModel(source('chained'), tf);
    expectWanted(tf.tidy(() => (model.predict(tf.tensor2d(samples)) as tf.Tensor).dataSync()));
    expect(model.layers.at(-1)?.name).toBe('fc');
    model.dispose();
  });

  it('gives the same as an ONNX graph', async () => {
    const session = await InferenceSession.create(await layersModelOnnx(source('chained'), () => Promise.resolve(tf)));
    const { output } = await session.run({ input: new Tensor('float32', Float32Array.from(samples.flat()), [2, 4]) });
    expectWanted(output?.data as Float32Array);
    await session.release();
  });
});

describe('names of weights', () => {
  const dense = (name: string) => ({ class_name: 'Dense', config: { name }, inbound_nodes: [] });
  const inside = (name: string) => ({ class_name: 'Sequential', config: { name, layers: [dense('fc')] } });
  const topology = { class_name: 'Functional', config: { layers: [inside('b'), inside('a'), dense('fc')] } };

  it('are those of the layers in the models that stand before them, in whatever order', () => {
    const { ofWeights } = withOwnNames(topology);
    expect(ofWeights(['a/fc/kernel', 'b/fc/kernel', 'fc/kernel', 'a/fc/bias', 'fc/bias', 'b/fc/bias'])).toEqual([
      'a/fc_of_a/kernel',
      'b/fc_of_b/kernel',
      'fc/kernel',
      'a/fc_of_a/bias',
      'fc/bias',
      'b/fc_of_b/bias',
    ]);
  });

  it('are those of the layers in their order, where no model stands before them', () => {
    const { ofWeights } = withOwnNames(topology);
    expect(ofWeights(['fc/kernel', 'fc/bias', 'fc/kernel', 'fc/bias', 'fc/kernel', 'fc/bias'])).toEqual([
      'fc_of_b/kernel',
      'fc_of_b/bias',
      'fc_of_a/kernel',
      'fc_of_a/bias',
      'fc/kernel',
      'fc/bias',
    ]);
  });

  it('stay where all differ, and of what is no topology', () => {
    const plain = { class_name: 'Sequential', config: { layers: [dense('one'), dense('two')] } };
    for (const given of [plain, { class_name: 'Sequential' }]) {
      const { topology: same, ofWeights } = withOwnNames(given);
      expect([same, ofWeights(['one/kernel', 'one/kernel'])]).toEqual([given, ['one/kernel', 'one/kernel']]);
    }
  });
});
