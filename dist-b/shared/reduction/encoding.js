export const compressions = ['none', 'bf16', 'int8'];
/** Elements that share a scale. */
export const blockFloats = 128;
/** Bytes of a gradient of `floats` elements. */
export function gradientBytes(compression, floats) {
    switch (compression) {
        case 'none':
            return 4 * floats;
        case 'bf16':
            return to16(2 * floats);
        case 'int8':
            return scalesAt(floats) + to16(4 * Math.ceil(floats / blockFloats));
    }
}
export function codecOf(compression, kernels, floats) {
    return compression === 'bf16' ? bf16(kernels, floats) : int8(kernels, floats);
}
function bf16(kernels, floats) {
    return {
        encode: (into, from) => kernels.encodeBf16(into, from, floats),
        decode: (into, from, first, count) => kernels.decodeBf16(into, from + 2 * first, count),
        add: (into, from) => kernels.addBf16(into, from, floats),
        isFinite: (at) => kernels.isFiniteBf16(at, floats),
    };
}
function int8(kernels, floats) {
    const scales = scalesAt(floats);
    const blocks = Math.ceil(floats / blockFloats);
    return {
        encode: (into, from) => kernels.encodeInt8(into, into + scales, from, floats),
        decode: (into, from, first, count) => kernels.decodeInt8(into, from + first, from + scales + (4 * first) / blockFloats, count),
        add: (into, from) => kernels.addInt8(into, into + scales, from, from + scales, floats),
        isFinite: (at) => kernels.isFinite(at + scales, Math.ceil(blocks / 4) * 4),
    };
}
/** Where the scales begin. */
function scalesAt(floats) {
    return to16(floats);
}
function to16(bytes) {
    return Math.ceil(bytes / 16) * 16;
}
//# sourceMappingURL=encoding.js.map