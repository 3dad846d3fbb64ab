import { describe, expect, it } from 'vitest';
import { UserError } from '../../../shared/errors.js';
import { readLayersModel, writeLayersModel } from '../../../shared/models/layers-model.js';
import type { StudentSpec } from '../../../shared/models/student-spec.js';
import { layersOf } from '../../../shared/models/topology.js';

const topology = { class_name: 'Sequential', config: { name: 's', layers: [] } };
const spec: StudentSpec = {
  topology,
  weights: [
    { name: 'a/kernel', layer: 'a', shape: [1, 2], kind: 'trained' },
    { name: 'a/bias', layer: 'a', shape: [2], kind: 'frozen' },
  ],
  inputShape: [1],
  classes: 2,
};

describe('the LayersModel format', () => {
  it('has topology and manifest in model.json, and raw float32 in the order of the spec beside it', () => {
    const weights = new Map([
      ['a/bias', Float32Array.of(3, 4)],
      ['a/kernel', Float32Array.of(1, 2)],
    ]);
    const files = writeLayersModel(spec, weights);
    expect([...new Float32Array(files.weights.buffer)]).toEqual([1, 2, 3, 4]);
    expect(JSON.parse(files.modelJson)).toMatchObject({
      format: 'layers-model',
      generatedBy: 'stillhouse',
      convertedBy: null,
    });
    const read = readLayersModel(files.modelJson, 'model.json');
    expect(read.weightName('a/kernel')).toBe('a/kernel');
    expect(read).toMatchObject({
      topology,
      constants: new Map(),
      weightsManifest: [
        {
          paths: ['weights.bin'],
          weights: [
            { name: 'a/kernel', shape: [1, 2], dtype: 'float32' },
            { name: 'a/bias', shape: [2], dtype: 'float32' },
          ],
        },
      ],
    });
  });

  it('reads quantised manifests and files without weights', () => {
    const quantised = {
      name: 'a/bias',
      shape: [2],
      dtype: 'float32',
      quantization: { dtype: 'uint8', scale: 0.5, min: -1 },
    };
    const text = JSON.stringify({
      modelTopology: topology,
      weightsManifest: [{ paths: ['x.bin'], weights: [quantised] }],
    });
    expect(readLayersModel(text, 'm').weightsManifest?.[0]?.weights).toEqual([quantised]);
    expect(readLayersModel(JSON.stringify({ modelTopology: topology }), 'm').weightsManifest).toBeUndefined();
  });

  it.each([
    ['no JSON', '{', 'm: it is no JSON'],
    ['no topology', '{}', 'm: it has no modelTopology; the model.json of a tfjs LayersModel'],
    ['a graph', '{"modelTopology": {"node": []}}', 'm: it is a frozen GraphModel'],
    [
      'a negative shape',
      '{"modelTopology": {}, "weightsManifest": [{"paths": [], "weights": [{"name": "w", "shape": [-1], "dtype": "float32"}]}]}',
      'm: its weightsManifest.0.weights.0.shape.0 is of another kind; the model.json of a tfjs LayersModel',
    ],
    [
      'an unknown type',
      '{"modelTopology": {}, "weightsManifest": [{"paths": [], "weights": [{"name": "w", "shape": [1], "dtype": "float8"}]}]}',
      'm: its weightsManifest.0.weights.0.dtype is of another kind; the model.json of a tfjs LayersModel',
    ],
  ])('refuses %s', (_, text, message) => {
    expect(() => readLayersModel(text, 'm')).toThrow(UserError);
    expect(() => readLayersModel(text, 'm')).toThrow(message);
  });
});

describe('layersOf', () => {
  it('lists layers in the order of the file, those of nested models and wrappers too', () => {
    const dense = (name: string): object => ({ class_name: 'Dense', config: { name } });
    const inner = {
      class_name: 'Functional',
      config: { name: 'inner', layers: [dense('b')] },
      inbound_nodes: [[], []],
    };
    const wrapper = { class_name: 'TimeDistributed', config: { name: 'w', layer: dense('c') } };
    const model = {
      model_config: { class_name: 'Model', config: { name: 'm', layers: [dense('a'), inner, wrapper] } },
    };
    expect(layersOf(model).map(({ path, isWrapped, uses }) => ({ path: path.join('/'), isWrapped, uses }))).toEqual([
      { path: 'a', isWrapped: false, uses: 1 },
      { path: 'inner/b', isWrapped: false, uses: 2 },
      { path: 'w', isWrapped: false, uses: 1 },
      { path: 'w/c', isWrapped: true, uses: 1 },
    ]);
  });
});
