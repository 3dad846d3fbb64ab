/** Each layer of a student as ONNX nodes. Tensors stay channels last between layers; convolutions and pools transpose inside. */
import { exitCodes, UserError } from '../shared/errors.js';
/** Collects a graph's nodes and constants. */
export class OnnxBuilder {
    weights;
    nodes = [];
    constants = [];
    constructor(weights) {
        this.weights = weights;
    }
    node(op, inputs, attributes = {}) {
        const output = `t${this.nodes.length}`;
        this.nodes.push({ op, inputs, output, attributes });
        return output;
    }
    constant(values, shape) {
        const name = `c${this.constants.length}`;
        this.constants.push({ name, shape, values });
        return name;
    }
    scalar(value) {
        return this.constant(Float32Array.of(value), []);
    }
    integers(...values) {
        return this.constant(BigInt64Array.from(values, BigInt), [values.length]);
    }
    weight(layer, name) {
        const found = this.weights.get(`${nameOf(layer)}/${name}`);
        if (found === undefined)
            throw new UserError(`student layer ${nameOf(layer)} (${layer.class_name}): no weight ${name}; a whole student was wanted`, exitCodes.data);
        return found;
    }
    weightConstant(layer, name) {
        const { values, shape } = this.weight(layer, name);
        return this.constant(values, shape);
    }
}
export function nameOf(layer) {
    return String(layer.config.name);
}
const one = (write) => (b, layer, inputs) => write(b, layer, inputs[0] ?? '');
const merge = (op) => (b, _, inputs) => inputs.reduce((sum, x) => b.node(op, [sum, x]));
const reduce = (op, ...axes) => one((b, _, x) => b.node(op, [x], { axes, keepdims: 0 }));
const same = one((_b, _layer, x) => x);
const writers = {
    InputLayer: same, Dropout: same,
    Dense: one((b, layer, x) => activated(b, layer, biased(b, layer, b.node('MatMul', [x, b.weightConstant(layer, 'kernel')])))),
    Conv2D: one((b, layer, x) => convolution(b, layer, x, false)), DepthwiseConv2D: one((b, layer, x) => convolution(b, layer, x, true)),
    MaxPooling2D: one((b, layer, x) => pool(b, layer, x, 'MaxPool')), AveragePooling2D: one((b, layer, x) => pool(b, layer, x, 'AveragePool')),
    BatchNormalization: one(batchNorm), Activation: one((b, layer, x) => activated(b, layer, x)),
    ReLU: one((b, { config }, x) => (typeof config.max_value === 'number' ? b.node('Clip', [x, b.scalar(0), b.scalar(config.max_value)]) : b.node('Relu', [x]))),
    LeakyReLU: one((b, { config }, x) => b.node('LeakyRelu', [x], { alpha: { float: numberOr(config.alpha, 0.3) } })),
    ELU: one((b, { config }, x) => b.node('Elu', [x], { alpha: { float: numberOr(config.alpha, 1) } })),
    Flatten: one((b, _, x) => b.node('Flatten', [x], { axis: 1 })),
    Reshape: one((b, { config }, x) => b.node('Reshape', [x, b.integers(0, ...numbers(config.target_shape))])),
    GlobalAveragePooling1D: reduce('ReduceMean', 1), GlobalMaxPooling1D: reduce('ReduceMax', 1),
    GlobalAveragePooling2D: reduce('ReduceMean', 1, 2), GlobalMaxPooling2D: reduce('ReduceMax', 1, 2),
    Add: merge('Add'), Multiply: merge('Mul'), Maximum: merge('Max'), Minimum: merge('Min'), Average: (b, _, inputs) => b.node('Mean', inputs),
    Concatenate: (b, { config }, inputs) => b.node('Concat', inputs, { axis: numberOr(config.axis, -1) }),
    ZeroPadding2D: one((b, { config }, x) => {
        const [top = 0, bottom = 0, left = 0, right = 0] = numbers([config.padding].flat(2));
        return b.node('Pad', [x, b.integers(0, top, left, 0, 0, bottom, right, 0)]);
    }),
};
/** @returns the name of the layer's output @throws UserError 65, naming layer and type, for what cannot be written */
export function writeLayer(b, layer, inputs) {
    const write = Object.hasOwn(writers, layer.class_name) ? writers[layer.class_name] : undefined;
    if (write === undefined)
        throw refusal(layer, 'layers of this type cannot be written as ONNX');
    return write(b, layer, inputs);
}
function refusal(layer, why) {
    return new UserError(`student layer ${nameOf(layer)} (${layer.class_name}): ${why}; choose --format tfjs or safetensors`, exitCodes.data);
}
const numberOr = (value, otherwise) => (typeof value === 'number' ? value : otherwise);
const numbers = (value) => [value].flat().filter((item) => typeof item === 'number');
function pair(value, otherwise) {
    const [first, second] = numbers(value);
    return first === undefined ? otherwise : [first, second ?? first];
}
function biased(b, layer, x, name = 'bias') {
    return layer.config.use_bias === false ? x : b.node('Add', [x, b.weightConstant(layer, name)]);
}
/** A channels-first node between two transposes. */
function channelsFirst(b, x, inner) {
    return b.node('Transpose', [inner(b.node('Transpose', [x], { perm: [0, 3, 1, 2] }))], { perm: [0, 2, 3, 1] });
}
const padding = ({ config }) => (config.padding === 'same' ? 'SAME_UPPER' : 'VALID');
/** Kernel [H, W, in, out], or depthwise [H, W, in, multiplier], to ONNX's [out, in / groups, H, W]. */
function convolution(b, layer, x, isDepthwise) {
    const { values, shape } = b.weight(layer, isDepthwise ? 'depthwise_kernel' : 'kernel');
    const [height = 1, width = 1, inward = 1, outward = 1] = shape;
    const turned = new Float32Array(values.length);
    const channels = inward * outward;
    for (let place = 0; place < height * width; place++) {
        for (let c = 0; c < channels; c++) {
            const [from, to] = [Math.floor(c / outward), c % outward];
            const row = isDepthwise ? c : to * inward + from;
            turned[row * height * width + place] = values[place * channels + c] ?? 0;
        }
    }
    const kernel = b.constant(turned, isDepthwise ? [channels, 1, height, width] : [outward, inward, height, width]);
    const attributes = { auto_pad: padding(layer), kernel_shape: [height, width], strides: pair(layer.config.strides, [1, 1]), group: isDepthwise ? inward : 1 };
    return activated(b, layer, biased(b, layer, channelsFirst(b, x, (inner) => b.node('Conv', [inner, kernel], attributes))));
}
function pool(b, layer, x, op) {
    const size = pair(layer.config.pool_size, [2, 2]);
    return channelsFirst(b, x, (inner) => b.node(op, [inner], { auto_pad: padding(layer), kernel_shape: size, strides: pair(layer.config.strides, size) }));
}
/** x * gamma / sqrt(variance + epsilon) + (beta - mean * that factor), over the last axis. */
function batchNorm(b, layer, x) {
    const { config } = layer;
    const [axis = -1] = numbers(config.axis);
    if (axis !== -1 && axis !== 3)
        throw refusal(layer, `its axis is ${axis}; -1 or 3 was wanted for ONNX`);
    const mean = b.weight(layer, 'moving_mean').values;
    const variance = b.weight(layer, 'moving_variance').values;
    const gamma = config.scale === false ? null : b.weight(layer, 'gamma').values;
    const beta = config.center === false ? null : b.weight(layer, 'beta').values;
    const factor = variance.map((value, i) => (gamma?.[i] ?? 1) / Math.sqrt(value + numberOr(config.epsilon, 1e-3)));
    const shift = factor.map((value, i) => (beta?.[i] ?? 0) - (mean[i] ?? 0) * value);
    return b.node('Add', [b.node('Mul', [x, b.constant(factor, [factor.length])]), b.constant(shift, [shift.length])]);
}
function activated(b, layer, x) {
    const { activation } = layer.config;
    const plain = { relu: 'Relu', sigmoid: 'Sigmoid', tanh: 'Tanh', elu: 'Elu', selu: 'Selu', softplus: 'Softplus', softsign: 'Softsign' };
    if (activation === undefined || activation === null || activation === 'linear')
        return x;
    if (activation === 'relu6')
        return b.node('Clip', [x, b.scalar(0), b.scalar(6)]);
    if (activation === 'softmax')
        return b.node('Softmax', [x], { axis: -1 });
    const op = typeof activation === 'string' && Object.hasOwn(plain, activation) ? plain[activation] : undefined;
    if (op === undefined)
        throw refusal(layer, `activation ${String(activation)} cannot be written as ONNX`);
    return b.node(op, [x]);
}
//# sourceMappingURL=onnx-layers.js.map