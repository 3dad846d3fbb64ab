/** Layers of Keras 2 that tfjs lacks, attention over masked steps among them: refused by their names, before a number. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadLayersModel } from '../../../../../worker/compute/teachers/formats/load-layers-model.js';
import type { TeacherSource } from '../../../../../worker/compute/teachers/formats/teacher.js';
import { openTensorFlow } from '../fixtures.js';

const tf = await openTensorFlow();
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-layers-'));

const layer = (className: string, config: { readonly name: string }, from: unknown): object => ({
  class_name: className,
  name: config.name,
  config,
  inbound_nodes: from,
});
const from = (name: string, more: object = {}): unknown => [[[name, 0, 0, more]]];

/** Tokens, embedded with 0 for the padding, and a layer of that class over them. */
const model = (className: string, nodes: unknown): object => ({
  class_name: 'Functional',
  config: {
    name: 'encoder',
    layers: [
      layer('InputLayer', { name: 'ids', ...{ batch_input_shape: [null, 5], dtype: 'float32' } }, []),
      layer('Embedding', { name: 'words', ...{ input_dim: 10, output_dim: 4, mask_zero: true } }, from('ids')),
      layer(className, { name: 'seen', ...{ num_heads: 2, key_dim: 2 } }, nodes),
    ],
    input_layers: [['ids', 0, 0]],
    output_layers: [['seen', 0, 0]],
  },
});
const inside = (inner: object): object => ({
  class_name: 'Sequential',
  config: { name: 'whole', layers: [inner, layer('Flatten', { name: 'flat' }, undefined)] },
});

it.each([
  ['MultiHeadAttention', 'seen', model('MultiHeadAttention', from('words', { value: ['words', 0, 0] }))],
  ['Attention', 'seen', model('Attention', [[...['words', 'words'].map((name) => [name, 0, 0, {}])]])],
  [
    'MultiHeadAttention',
    'encoder/seen',
    inside(model('MultiHeadAttention', from('words', { value: ['words', 0, 0] }))),
  ],
  ['Own', 'seen', model('Own', from('words'))],
])('a layer of class %s, %s, is refused', async (className, path, topology) => {
  await expect(loadLayersModel(sourceOf(topology), tf)).rejects.toMatchObject({
    exitCode: 65,
    message: `teacher t: layer ${path} (${className}): it cannot be read; the model as ONNX (tf2onnx writes it) was wanted`,
  });
});

it.each([
  ['of a model', { ...model('Own', from('words')), class_name: 5 }],
  ['of a layer', inside(layer(true as unknown as string, { name: 'seen' }, undefined))],
])('a class name that is no text is refused in one line: %s', async (_whose, topology) => {
  await expect(loadLayersModel(sourceOf(topology), tf)).rejects.toMatchObject({
    name: 'UserError',
    exitCode: 65,
    message: expect.stringMatching(/^teacher t: tfjs cannot load it as a LayersModel: /),
  });
});

/** A teacher of that topology, without weights. */
function sourceOf(topology: object): TeacherSource {
  const file = join(folder, 'model.json');
  writeFileSync(join(folder, 'w.bin'), '');
  const weightsManifest = [{ paths: ['w.bin'], weights: [] }];
  writeFileSync(
    file,
    JSON.stringify({ modelTopology: { keras_version: '2.15.0', model_config: topology }, weightsManifest }),
  );
  const paths = new Map([
    ['model.json', file],
    ['w.bin', join(folder, 'w.bin')],
  ]);
  return { name: 't', format: 'layers-model', paths };
}
