/** tfjs LayersModel teachers: inference mode at every forward (batch norm by its moving values, no dropout). */
import type { layers, LayersModel, SymbolicTensor, Tensor } from '@tensorflow/tfjs';
import type { TensorFlow } from '../../backends/backend.js';
import { digestOfTensors, findTfjsFiles, tfjsFormat } from './tfjs-files.js';
import { loadLayersModel } from './load-layers-model.js';
import { layersModelOnnx } from './layers-model-onnx.js';
import { activationsOf } from './taps.js';
import { asRows, badModel, unknownTap } from './model-errors.js';
import type { OpenTensorFlow, Teacher, TeacherFormat, TeacherSource, WantedTaps } from './teacher.js';

export const layersModelFormat: TeacherFormat = {
  ...tfjsFormat,
  name: 'layers-model',
  title: 'a tfjs LayersModel',
  findFiles: (given) => findTfjsFiles(given, 'layers-model'),
  toOnnx: layersModelOnnx,
  open: openLayersModel,
};

/** @throws UserError 65 when the files are no LayersModel with one output */
async function openLayersModel(source: TeacherSource, openTensorFlow: OpenTensorFlow): Promise<Teacher> {
  const tf = await openTensorFlow();
  const { model, parameters } = await loadLayersModel(source, tf);
  model.trainable = false;
  checkOutputs(source, model);
  const withTaps = tapsOf(source.name, model, tf);
  return {
    inputs: model.inputs.map(({ sourceLayer, shape: [, ...shape], dtype }) => ({
      name: sourceLayer.name,
      shape,
      integerType: dtype === 'float32' ? null : dtype,
    })),
    fixedRows: model.inputs.find(({ shape: [rows] }) => typeof rows === 'number')?.shape[0] ?? null,
    parameters: parameters,
    async forward(given, wanted = []) {
      const rows = given[0]?.shape[0] ?? 0;
      const { taps, tapped } = wanted.length === 0 ? { taps: [], tapped: model } : withTaps(wanted);
      const outputs = tf.tidy(() =>
        apply(
          source.name,
          tapped,
          given.map(({ values, shape }) => tf.tensor(values, [...shape])),
        ),
      );
      try {
        const [output] = outputs;
        if (output === undefined) throw badModel(source.name, 'it gives no tensor');
        const raw = await Promise.all(
          taps.map(async ({ name, at }) => {
            const tap = outputs[at] ?? output;
            return { name, values: Float32Array.from(await tap.data()), dims: tap.shape };
          }),
        );
        return {
          output: asRows(source, await output.data(), output.shape, rows),
          taps: activationsOf(raw, { teacher: source.name, rows, wanted, isChannelsFirst: false }),
        };
      } finally {
        tf.dispose(outputs);
      }
    },
    weightsDigest: () => digestOfTensors(model.weights.map((weight) => weight.read())),
    async dispose() {
      model.dispose();
    },
  };
}

function checkOutputs({ name }: TeacherSource, { outputs }: LayersModel): void {
  if (outputs.length !== 1) throw badModel(name, `it has ${outputs.length} outputs; wanted one`);
}

interface TappedModel {
  /** Each with its place among the model's outputs. */
  readonly taps: readonly { readonly name: string; readonly at: number }[];
  /** Gives the output first. */
  readonly tapped: LayersModel;
}

/** A model over the same layers for each set of taps, made when it is first asked for. A tap is a layer's output. */
function tapsOf(name: string, model: LayersModel, tf: TensorFlow): (wanted: WantedTaps) => TappedModel {
  const outputs = new Map(
    model.layers.flatMap((layer) => {
      const output = layer.getClassName() === 'InputLayer' ? null : outputOf(layer);
      return output === null ? [] : [[layer.name, output] as const];
    }),
  );
  const made = new Map<string, TappedModel>();
  return (wanted) => {
    const names = wanted === 'all' ? [...outputs.keys()] : wanted;
    const key = JSON.stringify(names);
    const values = names.map((tap) => outputs.get(tap) ?? raise(unknownTap(name, tap, [...outputs.keys()])));
    const all = [...new Set([...model.outputs, ...values])];
    const taps = names.map((tap, i) => ({ name: tap, at: all.findIndex((value) => value === values[i]) }));
    const found = made.get(key) ?? {
      taps,
      tapped: all.length === 1 ? model : tf.model({ inputs: model.inputs, outputs: all }),
    };
    made.set(key, found);
    return found;
  };
}

/** The output of a layer in the model; of a model inside, the one behind its own. Null where there are several. */
function outputOf(layer: layers.Layer): SymbolicTensor | null {
  const places = layer.inboundNodes.length;
  if (places !== ('layers' in layer ? 2 : 1)) return null;
  const output = layer.getOutputAt(places - 1);
  return Array.isArray(output) ? null : output;
}

function raise(error: Error): never {
  throw error;
}

function apply(name: string, model: LayersModel, inputs: Tensor[]): Tensor[] {
  const outputs = run(name, () => model.apply(inputs, { training: false }));
  const list = Array.isArray(outputs) ? outputs : [outputs];
  return list.map((output) => ('dataId' in output ? output : raise(badModel(name, 'it gives no tensor'))));
}

function run<T>(name: string, forward: () => T): T {
  try {
    return forward();
  } catch (error) {
    throw badModel(name, 'tfjs cannot run it', error);
  }
}
