/** tfjs LayersModel teachers: inference mode at every forward (batch norm by its moving values, no dropout). */
import type { LayersModel, SymbolicTensor, Tensor } from '@tensorflow/tfjs';
import { countParameters, readTfjsFiles } from './tfjs-files.js';
import { asRows, badModel, type Teacher, type TeacherSource, type TensorFlow } from './teacher.js';

/** @throws UserError 65 when the files are no LayersModel with one input and one output */
export async function openLayersModel(source: TeacherSource, tf: TensorFlow): Promise<Teacher> {
  const { model: json, artifacts } = await readTfjsFiles(source);
  const model = await tf.loadLayersModel(tf.io.fromMemory(artifacts)).catch((error: unknown) => {
    throw badModel(source.name, 'tfjs cannot load it as a LayersModel', error);
  });
  model.trainable = false;
  const [rows = null, ...sampleShape] = onlyInput(source, model).shape;
  return {
    sampleShape,
    fixedRows: rows,
    parameters: countParameters(json),
    async forward(inputs, shape) {
      const output = tf.tidy(() => apply(source.name, model, tf.tensor(inputs, [...shape])));
      try {
        return asRows(source.name, await output.data(), output.shape, shape[0] ?? 0);
      } finally {
        output.dispose();
      }
    },
    async dispose() {
      model.dispose();
    },
  };
}

function onlyInput(source: TeacherSource, model: LayersModel): SymbolicTensor {
  const [input] = model.inputs;
  if (input !== undefined && model.inputs.length === 1 && model.outputs.length === 1) return input;
  throw badModel(source.name, `it has ${model.inputs.length} inputs and ${model.outputs.length} outputs; wanted one of each`);
}

function apply(name: string, model: LayersModel, inputs: Tensor): Tensor {
  const output = run(name, () => model.apply(inputs, { training: false }));
  if ('dataId' in output) return output;
  throw badModel(name, 'it gives no tensor');
}

function run<T>(name: string, forward: () => T): T {
  try {
    return forward();
  } catch (error) {
    throw badModel(name, 'tfjs cannot run it', error);
  }
}
