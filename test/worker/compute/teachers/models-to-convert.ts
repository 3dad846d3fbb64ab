/** tfjs models of the kinds that teachers have, with samples for them, to be turned into ONNX. */
import { join } from 'node:path';
import type { layers, SymbolicTensor } from '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs';
import { randomStream } from '../../../../shared/random.js';
import { fixedGraph, mobileGraph, numberGraph, shapedGraph, textGraph, type GraphFile } from './graphs-to-convert.js';
import { makeLayersModel, reference, saveGraphModel, saveLayersModel } from './fixtures.js';

/** A model on the disk, and samples for it. */
export interface ConvertibleModel {
  readonly path: string;
  /** Rows and one sample's shape, as the model has it. */
  readonly shape: readonly number[];
  readonly inputs: Float32Array;
}

export interface ConvertibleCase {
  readonly format: 'layers-model' | 'graph-model';
  readonly what: string;
  readonly save: (folder: string) => Promise<ConvertibleModel>;
}

/** Numbers in [-1, 1). */
export function noise(length: number, key: string): Float32Array {
  const stream = randomStream([key]);
  return Float32Array.from({ length }, () => 2 * stream.float() - 1);
}

const tokens = (length: number, most: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => (i * 7 + (i % 3)) % most);

type Layer = layers.Layer;

function layersModel(
  what: string,
  make: () => tf.LayersModel,
  inputs?: (length: number) => Float32Array,
): ConvertibleCase {
  return {
    format: 'layers-model',
    what,
    save: async (folder) => {
      const model = make();
      model.setWeights(
        model.weights.map(({ shape, originalName }, i) =>
          tf.randomUniform(shape.map(Number), originalName.endsWith('variance') ? 0.5 : -0.6, 0.9, 'float32', i),
        ),
      );
      const [rows = null, ...sample] = model.inputs[0]?.shape ?? [];
      const shape = [rows ?? 3, ...sample.map((size) => size ?? 5)];
      const length = shape.reduce((a, b) => a * b, 1);
      return { path: await saveLayersModel(model, folder), shape, inputs: (inputs ?? ((n) => noise(n, what)))(length) };
    },
  };
}

function functional(input: SymbolicTensor, body: (x: SymbolicTensor) => SymbolicTensor): tf.LayersModel {
  return tf.model({ inputs: input, outputs: body(input) });
}

const apply = (layer: Layer, x: SymbolicTensor | SymbolicTensor[]): SymbolicTensor => layer.apply(x) as SymbolicTensor;
const chain = (x: SymbolicTensor, ...all: Layer[]): SymbolicTensor => all.reduce((at, layer) => apply(layer, at), x);
const l = tf.layers;

/** An inverted residual with squeeze and excitation, between a padded stem and a head. */
function mobileNet(): tf.LayersModel {
  return functional(tf.input({ shape: [9, 8, 3] }), (x) => {
    const stem = chain(
      x,
      l.zeroPadding2d({
        padding: [
          [0, 1],
          [2, 1],
        ] as never,
      }),
      l.conv2d({ filters: 8, kernelSize: 3, strides: 2, useBias: false, name: 'stem' }),
      l.batchNormalization({ name: 'stem_bn' }),
      l.reLU({ maxValue: 6 }),
    );
    const wide = chain(
      stem,
      l.conv2d({ filters: 12, kernelSize: 1, useBias: false }),
      l.batchNormalization(),
      l.activation({ activation: 'swish' }),
      l.depthwiseConv2d({ kernelSize: 3, padding: 'same', useBias: false, name: 'depthwise' }),
      l.batchNormalization(),
    );
    const gate = chain(
      wide,
      l.globalAveragePooling2d({}),
      l.reshape({ targetShape: [1, 1, 12] }),
      l.conv2d({ filters: 3, kernelSize: 1, activation: 'relu' }),
      l.conv2d({ filters: 12, kernelSize: 1, activation: 'hardSigmoid' }),
    );
    const block = chain(
      apply(l.multiply(), [wide, gate]),
      l.conv2d({ filters: 8, kernelSize: 1 }),
      l.dropout({ rate: 0.2 }),
    );
    return chain(
      apply(l.add({ name: 'sum' }), [stem, block]),
      l.globalAveragePooling2d({ name: 'pooled' }),
      l.dense({ units: 5, activation: 'softmax' }),
    );
  });
}

const layersModels = [
  layersModel('a plain CNN', () => makeLayersModel()),
  layersModel('a mobile network', mobileNet),
  layersModel('places that are apart', () =>
    tf.sequential({
      layers: [
        l.conv2d({ inputShape: [9, 9, 2], filters: 4, kernelSize: 3, dilationRate: 2, padding: 'same' }),
        l.conv2d({ filters: 4, kernelSize: 3, dilationRate: [2, 1] }),
        l.maxPooling2d({ poolSize: 2, padding: 'same' }),
        l.cropping2D({
          cropping: [
            [0, 1],
            [1, 0],
          ],
        }),
        l.upSampling2d({ size: [2, 2] }),
        l.flatten(),
        l.dense({ units: 3 }),
      ],
    }),
  ),
  layersModel('channels first, turned by its own first layer', () =>
    tf.sequential({
      layers: [
        l.permute({ inputShape: [3, 6, 5], dims: [2, 3, 1] }),
        l.separableConv2d({ filters: 4, kernelSize: 3 }),
        l.leakyReLU(),
        l.averagePooling2d({ poolSize: 2 }),
        l.flatten(),
        l.dense({ units: 3 }),
      ],
    }),
  ),
  layersModel('a number of rows of its own', () =>
    tf.sequential({
      layers: [l.dense({ batchInputShape: [3, 6], units: 4, activation: 'tanh' }), l.dense({ units: 3 })],
    }),
  ),
  layersModel('branches in models inside', () =>
    functional(tf.input({ shape: [6, 4] }), (x) => {
      const inner = functional(tf.input({ shape: [6, 4] }), (y) =>
        chain(y, l.conv1d({ filters: 4, kernelSize: 3, padding: 'same', activation: 'relu' }), l.layerNormalization()),
      );
      inner.name = 'inner';
      const joined = apply(l.concatenate({ name: 'joined' }), [x, apply(inner, x)]);
      return chain(joined, l.globalMaxPooling1d({}), l.dense({ units: 3 }));
    }),
  ),
  layersModel(
    'tokens of whole numbers',
    () =>
      functional(tf.input({ shape: [7], dtype: 'int32' }), (x) =>
        chain(
          x,
          l.embedding({ inputDim: 11, outputDim: 4, maskZero: true }),
          l.bidirectional({ layer: l.lstm({ units: 3, returnSequences: true }), mergeMode: 'concat' }),
          l.gru({ units: 4 }),
          l.dense({ units: 3 }),
        ),
      ),
    (length) => tokens(length, 11),
  ),
];

function graphModel(
  what: string,
  make: () => GraphFile,
  shape: readonly number[],
  inputs?: (length: number) => Float32Array,
): ConvertibleCase {
  const length = shape.reduce((a, b) => a * b, 1);
  return {
    format: 'graph-model',
    what,
    save: async (folder) => ({
      path: make().save(folder),
      shape,
      inputs: (inputs ?? ((n) => noise(n, what)))(length),
    }),
  };
}

const graphModels: readonly ConvertibleCase[] = [
  {
    format: 'graph-model',
    what: 'a product of matrices',
    save: async (folder) => {
      const shape = [4, ...reference.shape];
      const length = shape.reduce((a, b) => a * b, 1);
      return { path: saveGraphModel(folder).path, shape, inputs: noise(length, 'graph') };
    },
  },
  graphModel('a mobile network', mobileGraph, [4, 9, 8, 3]),
  graphModel('maps of many shapes', shapedGraph, [4, 6, 4, 4]),
  graphModel('functions of numbers', numberGraph, [4, 6]),
  graphModel('tokens of whole numbers', textGraph, [4, 7], (length) => tokens(length, 11)),
  graphModel('a number of rows of its own', fixedGraph, [3, 4]),
];

export const convertibleCases: readonly ConvertibleCase[] = [...layersModels, ...graphModels];

/** The folder of a case among many. */
export const folderOf = (root: string, { format, what }: ConvertibleCase): string =>
  join(root, `${format} ${what}`.replaceAll(/\W+/g, '-'));
