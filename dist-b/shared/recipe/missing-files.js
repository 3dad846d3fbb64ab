/** Files that a recipe names and that are not there: said at once, each with its line, before anything is read. */
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { UserError } from '../errors.js';
/** @throws UserError 2 with a line for each file that is missing */
export async function checkFiles({ recipe, placeOf }, folder) {
    const lines = await Promise.all(filesOf(recipe).map(async ({ path, file }) => {
        const isThere = await access(resolve(folder, file)).then(() => true, () => false);
        return isThere ? [] : [`${placeOf(path)}: ${path.join('.')}: ${file} given; a file that is there, relative to the recipe, wanted`];
    }));
    const missing = lines.flat();
    if (missing.length > 0)
        throw new UserError(missing.join('\n'));
}
function filesOf({ student, teachers, data, labels }) {
    const named = [
        ...('model' in student ? [[['student', 'model'], student.model], [['student', 'weights'], student.weights]] : []),
        ...teachers.map(({ model }, i) => [['teachers', i, 'model'], model]),
        ...teachers.map(({ classes }, i) => [['teachers', i, 'classes'], typeof classes === 'string' ? classes : undefined]),
        [['labels', 'from'], labels.from],
        ...sourceFiles(['data', 'train'], data.train),
        ...(data.eval === undefined ? [] : sourceFiles(['data', 'eval'], data.eval)),
    ];
    return named.flatMap(([path, file]) => (file === undefined ? [] : [{ path, file }]));
}
/** `set.npz#x` is the file `set.npz`; a CSV's `labels` is a column. */
function sourceFiles(at, source) {
    const { inputs } = source;
    if (source.format === 'csv')
        return [[[...at, 'inputs'], inputs]];
    const file = (name) => (source.format === 'npy' ? name?.split('#')[0] : name);
    return [[[...at, 'images'], file(source.images)], [[...at, 'inputs'], file(inputs)], [[...at, 'labels'], file(source.labels)]];
}
//# sourceMappingURL=missing-files.js.map