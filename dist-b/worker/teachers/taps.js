import { toChannelsLast } from './layout.js';
import { badModel } from './teacher.js';
/**
 * By name, channels last. Of `all`, values without a row for each sample (constants, shapes) are left out.
 * @throws UserError 65 when a tap that is wanted by name has no row for each sample
 */
export function activationsOf(raw, { teacher, rows, wanted, isChannelsFirst }) {
    const found = new Map();
    for (const { name, values, dims } of raw) {
        const [first, ...shape] = dims;
        const fits = first === rows && shape.length > 0;
        if (!fits && wanted !== 'all')
            throw badModel(teacher, `its tap "${name}" has the shape [${dims.join(', ')}]; wanted [${rows}, ...]`);
        if (fits)
            found.set(name, isChannelsFirst && shape.length > 2 ? { values: toChannelsLast(values, shape), shape: channelsLast(shape) } : { values, shape });
    }
    return found;
}
function channelsLast(shape) {
    return [...shape.slice(1), ...shape.slice(0, 1)];
}
/**
 * Shapes of the named taps, or of all that the teacher has, in their order from the input to the output, from one
 * forward of zeros.
 * @param sampleShape as the teacher is fed it
 * @throws UserError 2 when a named tap is none of the model
 */
export async function tapShapes(teacher, sampleShape, wanted) {
    if (wanted.length === 0)
        return [];
    // More than one row, so that a value without a row for each sample shows.
    const rows = teacher.fixedRows ?? 3;
    const inputs = new Float32Array(rows * sampleShape.reduce((a, b) => a * b, 1));
    const { taps } = await teacher.forward(inputs, [rows, ...sampleShape], wanted);
    return [...taps].map(([name, { shape }]) => ({ name, shape }));
}
//# sourceMappingURL=taps.js.map