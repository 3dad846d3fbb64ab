/**
 * Inner values of a student: its own layers by name, each after its activation, and `logits` for what it gives, its
 * last output.
 */
import type { LayersModel, SymbolicTensor, layers } from '@tensorflow/tfjs';
import { zeroedTopology } from '../../../../shared/models/initializers.js';
import type { LayersSpec } from '../../../../shared/models/student-spec.js';
import type { TensorFlow } from '../../backends/backend.js';
import { buildStudentModel } from './model.js';

type Layer = layers.Layer;

/** Every tap that the student has and one sample's shape, from the input to the output. */
export async function studentTapShapes(tf: TensorFlow, spec: LayersSpec): Promise<{ name: string; shape: number[] }[]> {
  const { model } = await buildStudentModel(tf, zeroedTopology(spec.topology));
  try {
    const found = model.layers.flatMap((layer) => {
      const shape = outputOf(layer)?.shape.slice(1);
      if (shape === undefined || layer.getClassName() === 'InputLayer' || shape.some((dim) => dim === null)) return [];
      return [{ name: layer.name, shape: shape.map((dim) => dim ?? 0) }];
    });
    return [
      ...found.filter(({ name }) => name !== 'logits'),
      { name: 'logits', shape: [...(spec.positions === undefined ? [] : [spec.positions]), spec.classes] },
    ];
  } finally {
    model.dispose();
  }
}

/** A student's model with taps as further outputs. */
export interface TappedModel {
  /** Shares its layers with the student's model: dispose that one alone. */
  readonly model: LayersModel;
  /** Where each tap is among the model's outputs; the first of them are the student's own. */
  readonly outputOf: ReadonlyMap<string, number>;
}

/** The same layers with the taps as further outputs, each value once. */
export function withTaps(tf: TensorFlow, model: LayersModel, taps: readonly string[]): TappedModel {
  const outputs = [...model.outputs];
  const places = taps.map((tap): [string, number] => {
    const output = tap === 'logits' ? model.outputs.at(-1) : outputOf(model.getLayer(tap));
    if (output === undefined) throw new Error(`the student has no tap ${tap}`);
    if (!outputs.includes(output)) outputs.push(output);
    return [tap, outputs.indexOf(output)];
  });
  return {
    model: outputs.length === model.outputs.length ? model : tf.model({ inputs: model.inputs, outputs }),
    outputOf: new Map(places),
  };
}

/** Undefined for a layer that is used more than once, or gives more than one value. */
function outputOf(layer: Layer): SymbolicTensor | undefined {
  if (layer.inboundNodes.length !== 1) return undefined;
  return Array.isArray(layer.output) ? undefined : layer.output;
}
