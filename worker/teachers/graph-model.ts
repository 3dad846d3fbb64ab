/** tfjs GraphModel teachers: a frozen graph, in inference mode by its nature. */
import { countParameters, readTfjsFiles } from './tfjs-files.js';
import { asRows, badModel, pickName, type Teacher, type TeacherSource, type TensorFlow } from './teacher.js';

/** @throws UserError 65 when the files are no GraphModel, 2 when the recipe names an input or output that it lacks */
export async function openGraphModel(source: TeacherSource, tf: TensorFlow): Promise<Teacher> {
  const { model: json, artifacts } = await readTfjsFiles(source);
  const model = await Promise.resolve()
    .then(() => tf.loadGraphModel(tf.io.fromMemory(artifacts)))
    .catch((error: unknown) => {
      throw badModel(source.name, 'tfjs cannot load it as a GraphModel', error);
    });
  const inputName = pickName(`teacher ${source.name}: input`, model.inputs.map((one) => one.name), source.input);
  const output = source.outputName ?? pickName(`teacher ${source.name}: output`, model.outputNodes, undefined);
  const input = model.inputs.find((one) => one.name === inputName);
  const [rows = null, ...sampleShape] = (input?.shape ?? []).map((dim) => (dim < 0 ? null : dim));
  const dtype = input?.dtype ?? 'float32';
  return {
    sampleShape,
    fixedRows: rows,
    parameters: countParameters(json),
    async forward(inputs, shape) {
      const result = tf.tidy(() => {
        try {
          const given = model.execute({ [inputName]: tf.tensor(inputs, [...shape]).cast(dtype) }, output);
          return Array.isArray(given) ? given[0] : given;
        } catch (error) {
          throw badModel(source.name, 'tfjs cannot run it', error);
        }
      });
      if (result === undefined) throw badModel(source.name, 'it gives no tensor');
      const rowsOut = asRows(source.name, await result.data(), result.shape, shape[0] ?? 0);
      result.dispose();
      return rowsOut;
    },
    async dispose() {
      model.dispose();
    },
  };
}
