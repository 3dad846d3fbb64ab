/** All rows through the teacher, so many at a time, zeros after the last. @returns output and taps, [rows x ...] each */
export async function forwardInFixedRows(teacher, inputs, options) {
    const { rows, sampleShape, fixedRows, taps } = options;
    const [step, size] = [teacher.fixedRows ?? fixedRows, inputs.length / rows];
    const parts = [];
    for (let row = 0; row < rows; row += step) {
        const batch = new Float32Array(step * size);
        batch.set(inputs.subarray(row * size, Math.min(row + step, rows) * size));
        parts.push(await teacher.forward(batch, [step, ...sampleShape], taps));
    }
    const join = (arrays) => joinRows(arrays, step, rows);
    return { output: join(parts.map(({ output }) => output)), taps: joinTaps(parts, join) };
}
function joinTaps(parts, join) {
    const names = [...(parts[0]?.taps ?? [])];
    return new Map(names.map(([name, { shape }]) => [name, { shape, values: join(parts.flatMap(({ taps }) => taps.get(name)?.values ?? [])) }]));
}
/** The first `rows` rows of arrays of `step` rows each. */
function joinRows(arrays, step, rows) {
    const size = (arrays[0]?.length ?? 0) / step;
    const out = new Float32Array(rows * size);
    arrays.forEach((array, i) => out.set(array.subarray(0, Math.min(step, rows - i * step) * size), i * step * size));
    return out;
}
//# sourceMappingURL=fixed-rows.js.map