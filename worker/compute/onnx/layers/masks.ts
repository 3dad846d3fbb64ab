/**
 * Masks over the time axis, as ONNX nodes. A mask is [batch, time], 1 for steps that count and 0 for those that
 * recurrent layers pass over (tfjs: their output and state stay as they were). ONNX' recurrent nodes know no such
 * steps: those that count are brought to the front, in their order, and each step takes the output of the last one that
 * counted.
 */
import { wrappedIn, type LayerJson } from '../../../../shared/models/topology.js';
import { numberOr, refusal, type OnnxBuilder } from './builder.js';

const float = 1;
const int64 = 7;
/** Beyond the number of any step; sums of both are exact in float32. */
const farBehind = 2 ** 22;

/** The layer's output: steps of nothing but the mask value become 0. */
export function masking(b: OnnxBuilder, { config }: LayerJson, x: string): string {
  const counts = b.node('ReduceMax', [differs(b, x, numberOr(config.mask_value, 0))], { axes: [-1], keepdims: 0 });
  const out = b.node('Mul', [x, b.node('Unsqueeze', [counts, b.integers(-1)])]);
  b.masks.set(out, counts);
  return out;
}

/** 1 where an input is not that value. */
export function differs(b: OnnxBuilder, x: string, value: number): string {
  return b.node('Cast', [b.node('Not', [b.node('Equal', [x, b.scalar(value)])])], { to: float });
}

/** Layers behind which Keras and tfjs know no mask any more. */
const masksEnd = new Set([
  ...['Conv1D', 'SeparableConv1D', 'MaxPooling1D', 'AveragePooling1D', 'GlobalMaxPooling1D'],
  ...['Flatten', 'Reshape', 'Permute'],
]);

/**
 * Layers that take a mask and give it on as it is, beside those that make one. @throws UserError 65 for what would use
 * it otherwise
 */
export function passMask(b: OnnxBuilder, layer: LayerJson, inputs: readonly string[], output: string): void {
  const [mask, ...others] = inputs.flatMap((input) => b.masks.get(input) ?? []);
  if (mask === undefined || b.masks.has(output)) return;
  const { class_name: name, config } = layer;
  if (masksEnd.has(name)) return;
  if (name === 'GlobalAveragePooling1D')
    throw refusal(layer, 'a mean that leaves masked steps out cannot be written as ONNX');
  if (others.length > 0 || inputs.length > 1) throw refusal(layer, 'branches with masks cannot be merged in ONNX');
  if (name === 'Softmax') throw refusal(layer, 'a softmax that leaves masked steps out cannot be written as ONNX');
  const inner = name === 'Bidirectional' ? (wrappedIn(config)[0]?.config ?? config) : config;
  if ('return_sequences' in inner && inner.return_sequences !== true) return;
  b.masks.set(output, mask);
}

/** `run` over the steps that count: [batch, time, units], each step's state after it. `run` must give every step. */
export function overCounted(b: OnnxBuilder, x: string, mask: string, run: (compact: string) => string): string {
  const behind = b.node('Mul', [b.node('Sub', [b.scalar(1), mask]), b.scalar(farBehind)]);
  const places = cumulated(b, b.node('Add', [b.node('Mul', [mask, b.scalar(0)]), b.scalar(1)]));
  const steps = b.node('Slice', [b.node('Shape', [mask]), b.integers(1), b.integers(2)]);
  const order = b.node('TopK', [b.node('Add', [places, behind]), steps], { axis: 1, largest: 0, sorted: 1 }, 1);
  // Before the first step that counts there is the state at the start: zeros.
  const outputs = b.node('Pad', [run(pick(b, x, order)), b.integers(0, 1, 0, 0, 0, 0)]);
  return pick(b, outputs, b.node('Cast', [cumulated(b, mask)], { to: int64 }));
}

function cumulated(b: OnnxBuilder, values: string): string {
  return b.node('CumSum', [values, b.integer(1)]);
}

/** Steps of each sequence, [batch, time, ...] by indices [batch, steps]. */
function pick(b: OnnxBuilder, x: string, indices: string): string {
  return b.node('GatherND', [x, b.node('Unsqueeze', [indices, b.integers(2)])], { batch_dims: 1 });
}
