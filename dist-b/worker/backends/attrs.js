export function shape4(shape) {
    const [a = 1, b = 1, c = 1, d = 1] = shape;
    return [a, b, c, d];
}
/** As tfjs's convolution operations hand them to their kernels: channels last, checked there. */
export function convolutionAttrs(attrs) {
    return {
        strides: pairAttr(attrs, 'strides'),
        dilations: pairAttr(attrs, 'dilations'),
        pad: attrs.pad,
        dimRoundingMode: attrs.dimRoundingMode,
    };
}
export function shapeAttr(attrs, name) {
    const value = attrs[name];
    if (!Array.isArray(value))
        throw new Error(`a kernel needs the shape ${name}`);
    return shape4(value.map(Number));
}
/** Two numbers, or one for both; 1 where there are none. */
export function pairAttr(attrs, name) {
    const value = attrs[name];
    if (Array.isArray(value))
        return [Number(value[0]), Number(value[1])];
    return typeof value === 'number' ? [value, value] : [1, 1];
}
/** The attribute `axis`: one axis, several, or all where there is none; not negative, ascending. */
export function axesAttr({ axis }, rank) {
    const axes = axis === null || axis === undefined ? Array.from({ length: rank }, (_, i) => i) : [axis].flat().map(Number);
    return axes.map((one) => (one < 0 ? one + rank : one)).sort((a, b) => a - b);
}
//# sourceMappingURL=attrs.js.map