/** Opens a teacher by its format; tfjs and onnxruntime are loaded only when a teacher wants them. */
import { openGraphModel } from './formats/graph-model.js';
import { openLayersModel } from './formats/layers-model.js';
import { openOnnx } from './formats/onnx.js';
import { openSavedModel } from './formats/saved-model.js';
import type { OpenTensorFlow, Teacher, TeacherSource } from './formats/teacher.js';

/**
 * @throws UserError 65 when its files are wrong, 69 when they need another backend, 2 when the recipe names an input or
 * output that it lacks
 */
export async function openTeacher(source: TeacherSource, openTensorFlow: OpenTensorFlow): Promise<Teacher> {
  switch (source.format) {
    case 'onnx':
      return openOnnx(source);
    case 'layers-model':
      return openLayersModel(source, await openTensorFlow());
    case 'graph-model':
      return openGraphModel(source, await openTensorFlow());
    case 'saved-model':
      return openSavedModel(source, await openTensorFlow());
    default:
      return source.format satisfies never;
  }
}
