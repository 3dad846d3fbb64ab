/** A tfjs LayersModel teacher as an ONNX file. */
import type { LayersModel } from '@tensorflow/tfjs';
import type { NamedTensor } from '../../../../shared/models/safetensors.js';
import { modelOf } from '../../../../shared/models/topology.js';
import { OnnxBuilder } from '../../onnx/layers/builder.js';
import { writeModel } from '../../onnx/layers/layers-model.js';
import { NoOnnxForm } from '../../onnx/no-onnx-form.js';
import { frozenOnnx } from './frozen-onnx.js';
import { loadLayersModel } from './load-layers-model.js';
import type { OpenTensorFlow, TeacherSource } from './teacher.js';

/** ONNX' number for float32. */
const float32 = 1;
const input = 'input';

/**
 * @throws NoOnnxForm naming the layer that cannot be written
 * @throws UserError 65 when tfjs cannot load the model
 */
export async function layersModelOnnx(source: TeacherSource, openTensorFlow: OpenTensorFlow): Promise<Uint8Array> {
  const tf = await openTensorFlow();
  const { model, topology } = await loadLayersModel(source, tf);
  try {
    const { shape, dtype } = inputOf(model);
    const builder = new OnnxBuilder(await weightsOf(model));
    const isWhole = dtype === 'int32';
    const samples = isWhole ? builder.node('Cast', [input], { to: float32 }) : input;
    builder.ranks.set(samples, shape.length);
    const output = writeModel(builder, modelOf(topology), samples);
    const [rows = null, ...sampleShape] = shape;
    return frozenOnnx({
      nodes: builder.nodes,
      constants: builder.constants,
      input,
      inputType: isWhole ? 'int32' : 'float32',
      sampleShape,
      rows,
      output,
      values: valuesOf(model, builder.outputs),
    });
  } finally {
    model.dispose();
  }
}

function inputOf(model: LayersModel): { readonly shape: readonly (number | null)[]; readonly dtype: string } {
  const [found] = model.inputs;
  if (found === undefined || model.inputs.length !== 1 || model.outputs.length !== 1)
    throw new NoOnnxForm('the model', `it has ${model.inputs.length} inputs and ${model.outputs.length} outputs`);
  if (found.dtype === 'float32' || found.dtype === 'int32') return found;
  throw new NoOnnxForm('the model', `its input is of ${found.dtype}; float32 or int32 was wanted for ONNX`);
}

/** What taps can name: the outputs of layers, in the model's order. */
function valuesOf(model: LayersModel, outputs: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map(
    model.layers.flatMap((layer) => {
      const value = outputs.get(layer.name);
      return value === undefined || layer.getClassName() === 'InputLayer' ? [] : [[layer.name, value] as const];
    }),
  );
}

/** By the names that layers give them. @throws NoOnnxForm for a name that two of them have */
async function weightsOf(model: LayersModel): Promise<ReadonlyMap<string, NamedTensor>> {
  const weights = new Map<string, NamedTensor>();
  for (const weight of model.weights) {
    const name = weight.originalName;
    if (weights.has(name)) throw new NoOnnxForm('the model', `two of its weights are named ${name}`);
    const tensor = weight.read();
    weights.set(name, { shape: tensor.shape, values: Float32Array.from(await tensor.data()) });
  }
  return weights;
}
