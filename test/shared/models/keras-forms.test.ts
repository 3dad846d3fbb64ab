import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { asTfjsReads } from '../../../shared/models/keras-forms.js';
import { jsonSchema, type Json } from '../../../shared/models/topology.js';
import { openWasm } from '../../../worker/compute/backends/wasm/wasm.js';

beforeAll(async () => {
  await openWasm();
});

/** A model around another, with a separable convolution inside, as Keras 2 writes it. */
function ofKeras(): Json {
  const inner = tf.sequential({ name: 'inner' });
  inner.add(tf.layers.separableConv2d({ name: 'separable', filters: 3, kernelSize: 3, inputShape: [5, 5, 2] }));
  const model = tf.sequential({ layers: [inner, tf.layers.flatten()] });
  const text = JSON.stringify(model.toJSON(undefined, false));
  model.dispose();
  const initializer = '{"class_name":"GlorotUniform","config":{"seed":null}}';
  return jsonSchema.parse(
    JSON.parse(
      text.replace(
        '"name":"separable"',
        `"name":"separable","kernel_initializer":${initializer},"kernel_regularizer":null,"kernel_constraint":null`,
      ),
    ),
  );
}

const how = { owner: 'teacher t', isTrained: false };

const load = async (modelTopology: Json): Promise<number> => {
  const model = await tf.loadLayersModel(tf.io.fromMemory({ modelTopology }));
  const count = model.countParams();
  model.dispose();
  return count;
};

describe('a topology of Keras 2', () => {
  it('is read by tfjs without the settings that its separable convolutions do not use', async () => {
    const topology = ofKeras();
    await expect(load(topology)).rejects.toThrow(/invalid for SeparableConv2D/);
    expect(await load(asTfjsReads(topology, how).topology)).toBe(3 * 3 * 2 + 2 * 3 + 3);
    expect(JSON.stringify(topology)).toContain('kernel_initializer');
  });

  it('keeps all else as it is', () => {
    const model = tf.sequential({
      layers: [tf.layers.conv2d({ filters: 3, kernelSize: 3, inputShape: [5, 5, 2] }), tf.layers.flatten()],
    });
    const topology = jsonSchema.parse(JSON.parse(JSON.stringify(model.toJSON(undefined, false))));
    expect(asTfjsReads(topology, how).topology).toEqual(topology);
    model.dispose();
  });
});
