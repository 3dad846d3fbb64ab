/** Writes a student in the forms that others load: model.json with weights.bin (tfjs), and student.safetensors. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, UserError } from '../shared/errors.js';
import { weightsFile, writeLayersModel } from '../shared/models/layers-model.js';
import { encodeSafetensors } from '../shared/models/safetensors.js';
export const exportFormats = ['tfjs', 'safetensors', 'onnx'];
/** What a finished run's student folder holds; the others are made from these when asked for. */
const storedFormats = ['tfjs', 'safetensors'];
/** @returns the names of the files written into `folder`, which is made @throws UserError 69 when the disk refuses */
export async function exportStudent(spec, weights, folder, formats = storedFormats) {
    const files = formats.flatMap((format) => (format === 'tfjs' ? tfjsFiles(spec, weights) : [safetensorsFile(spec, weights)]));
    try {
        await mkdir(folder, { recursive: true });
        for (const [name, content] of files)
            await writeFile(join(folder, name), content);
    }
    catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new UserError(`student: cannot be written to ${folder}: ${reason}`, exitCodes.unavailable, error);
    }
    return files.map(([name]) => name);
}
function tfjsFiles(spec, weights) {
    const model = writeLayersModel(spec, weights);
    return [[weightsFile, model.weights], ['model.json', model.modelJson]];
}
function safetensorsFile(spec, weights) {
    const tensors = new Map();
    for (const { name, shape } of spec.weights) {
        const values = weights.get(name);
        if (values === undefined)
            throw new Error(`no values for ${name}`);
        tensors.set(name, { shape, values });
    }
    return ['student.safetensors', encodeSafetensors(tensors)];
}
//# sourceMappingURL=export.js.map