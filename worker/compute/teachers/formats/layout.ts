import { elementsIn } from '../../../../shared/shape.js';
/** Shapes and layouts of samples. Ours are channels last; a model may want channels first. Pure. */

export type Layout = 'nhwc' | 'nchw';

/** A sample's shape with its channels (the last size) moved to the front; shapes of fewer than three sizes stay. */
export function channelsFirst(shape: readonly number[]): number[] {
  return shape.length < 3 ? [...shape] : [...shape.slice(-1), ...shape.slice(0, -1)];
}

/** [rows x positions x channels] to [rows x channels x positions]; the same array where that changes nothing. */
export function toChannelsFirst(inputs: Float32Array, shape: readonly number[]): Float32Array {
  const channels = shape.length < 3 ? 1 : (shape.at(-1) ?? 1);
  if (channels === 1) return inputs;
  const size = elementsIn(shape);
  const positions = size / channels;
  const out = new Float32Array(inputs.length);
  for (let row = 0; row < inputs.length; row += size) {
    for (let p = 0; p < positions; p++) {
      for (let c = 0; c < channels; c++) out[row + c * positions + p] = inputs[row + p * channels + c] ?? 0;
    }
  }
  return out;
}

/** [rows x channels x positions] to [rows x positions x channels]; `shape` is one sample's, channels first. */
export function toChannelsLast(values: Float32Array, shape: readonly number[]): Float32Array {
  const [channels = 1, ...sizes] = shape;
  const positions = elementsIn(sizes);
  const out = new Float32Array(values.length);
  for (let row = 0; row < values.length; row += channels * positions) {
    for (let c = 0; c < channels; c++) {
      for (let p = 0; p < positions; p++) out[row + p * channels + c] = values[row + c * positions + p] ?? 0;
    }
  }
  return out;
}

/**
 * The shape to feed one sample as: the model's, its open sizes filled in from the sample's shape in that layout.
 * Sizes of 1 may be there or not ([28, 28] feeds [28, 28, 1]), since that moves no number.
 * @returns null when the two do not fit
 */
export function feedShape(
  model: readonly (number | null)[],
  sample: readonly number[],
  layout: Layout,
): number[] | null {
  const own = layout === 'nchw' ? channelsFirst(sample) : [...sample];
  if (model.length === own.length) {
    return model.every((dim, i) => dim === null || dim === own[i]) ? own : null;
  }
  if (model.includes(null)) return null;
  const sizes = model.map((dim) => dim ?? 0);
  const wide = (dims: readonly number[]): string => dims.filter((dim) => dim !== 1).join(',');
  return wide(sizes) === wide(own) ? sizes : null;
}
