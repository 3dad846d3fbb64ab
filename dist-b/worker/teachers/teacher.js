import { exitCodes, UserError } from '../../shared/errors.js';
import { editDistance } from '../../shared/recipe/nearest.js';
/** A UserError about a teacher's files, exit code 65. */
export function badModel(name, text, cause) {
    const reason = cause instanceof Error ? `: ${firstLine(cause.message)}` : '';
    return new UserError(`teacher ${name}: ${text}${reason}`, exitCodes.data, cause);
}
/** @returns the output as a new array of [rows x classes] @throws UserError 65 when it is no such matrix */
export function asRows(name, values, shape, rows) {
    const isMatrix = shape.length >= 2 && shape[0] === rows && shape.slice(2).every((dim) => dim === 1);
    if (!isMatrix)
        throw badModel(name, `its output has the shape [${shape.join(', ')}]; wanted [${rows}, classes]`);
    return Float32Array.from(values);
}
/** A UserError about a tap that the model lacks, exit code 2; names the nearest ones. */
export function unknownTap(teacher, tap, known) {
    const distance = new Map(known.map((name) => [name, name.includes(tap) ? 0 : editDistance(tap.toLowerCase(), name.toLowerCase())]));
    const ranked = [...distance].sort(([, a], [, b]) => a - b).slice(0, 3);
    return new UserError(`teacher ${teacher}: tap "${tap}": the model has no such name; nearest: ${ranked.map(([name]) => `"${name}"`).join(', ')}`);
}
/** The one of `names` that is wanted, or the only one. @throws UserError 2 when there is none, or several to choose from */
export function pickName(what, names, wanted) {
    const found = wanted === undefined && names.length === 1 ? names[0] : names.find((name) => name === wanted);
    if (found !== undefined)
        return found;
    const list = names.map((name) => `"${name}"`).join(', ');
    if (wanted === undefined)
        throw new UserError(`${what}: the model has ${names.length} of them (${list}); name one in the recipe`);
    throw new UserError(`${what} "${wanted}": the model has no such name; it has ${list}`);
}
function firstLine(text) {
    return text.split('\n', 1)[0]?.slice(0, 300) ?? '';
}
//# sourceMappingURL=teacher.js.map