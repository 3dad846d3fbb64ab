/** Opens a teacher by its format; tfjs and onnxruntime are loaded only when a teacher wants them. */
import { UserError } from '../../shared/errors.js';
import { openGraphModel } from './graph-model.js';
import { openLayersModel } from './layers-model.js';
import { openOnnx } from './onnx.js';
/** @throws UserError 65 when its files are wrong, 2 when the recipe names an input or output that it lacks */
export async function openTeacher(source, openTensorFlow) {
    switch (source.format) {
        case 'onnx':
            return openOnnx(source);
        case 'layers-model':
            return openLayersModel(source, await openTensorFlow());
        case 'graph-model':
            return openGraphModel(source, await openTensorFlow());
        case 'saved-model':
            throw new UserError(`teacher ${source.name}: a SavedModel cannot be run; wanted an .onnx file or the model.json of a tfjs model`);
        default:
            return source.format;
    }
}
//# sourceMappingURL=open-teacher.js.map