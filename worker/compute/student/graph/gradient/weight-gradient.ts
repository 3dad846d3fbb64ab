/**
 * The gradient of a convolution by its weights has several forms, of which the one that is fastest for the shapes is
 * taken.
 *
 * Legend: N rows, C input channels, O output channels, G groups, P places of the output, K places of the kernel.
 */
import { mustAt } from '../../../../../shared/must.js';
import { reshape } from './broadcast.js';
import { offsetsOf, padded, placesOf, seenFrom, type Window } from './windows.js';
import type { GraphWriter } from './writer.js';

/** What a convolution saw and the gradient of what it gave. */
export interface SeenAndGiven {
  readonly write: GraphWriter;
  readonly x: string;
  readonly dy: string;
  readonly window: Window;
  readonly groups: number;
  readonly rows: number;
  /** Channels of x. */
  readonly inputs: number;
  /** Channels of dy. */
  readonly outputs: number;
}

/** The gradient by the weights, [O, C/G, k...]. */
export function weightGradient(given: SeenAndGiven): string {
  return given.groups === 1 && isNarrow(given) ? asConvolution(given) : byColumns(given);
}

/** Few channels: columns would be as large as the input times K, for products that are thin. */
function isNarrow({ inputs, window: { kernel } }: SeenAndGiven): boolean {
  return inputs < 4 && placesOf(kernel) > 1;
}

/** The rows take the channels' part: a convolution of x with dy for a kernel, strides and dilations changed over. */
function asConvolution({ write, x, dy, window }: SeenAndGiven): string {
  const { kernel, input, output, strides, dilations, before } = window;
  const perm = [1, 0, ...kernel.map((_, i) => i + 2)];
  // Exactly so many zeros behind, or places cut off, that K places come out.
  const behind = kernel.map((k, i) => {
    const reach = (k - 1) * mustAt(dilations, i) + (mustAt(output, i) - 1) * mustAt(strides, i) + 1;
    return reach - mustAt(before, i) - mustAt(input, i);
  });
  const cut = behind.some((n) => n < 0)
    ? write.node('Slice', [
        x,
        write.integers(...kernel.map(() => 0)),
        write.integers(...input.map((length, i) => length + Math.min(0, mustAt(behind, i)))),
        write.integers(...kernel.map((_, i) => i + 2)),
      ])
    : x;
  const result = write.node(
    'Conv',
    [write.node('Transpose', [cut], { perm }), write.node('Transpose', [dy], { perm })],
    {
      kernel_shape: output,
      strides: dilations,
      dilations: strides,
      pads: [...before, ...behind.map((n) => Math.max(0, n))],
    },
  );
  return write.node('Transpose', [result], { perm });
}

/**
 * What each place of the kernel saw, as rows of a matrix, times dy, row by row of the micro-batch, and the sum of these:
 * [N, G, C/G K, P] x [N, G, O/G, P]^T -> [N, G, C/G K, O/G].
 */
function byColumns({ write, x, dy, window, groups, rows, inputs, outputs }: SeenAndGiven): string {
  const { kernel } = window;
  const places = placesOf(window.output);
  const offsets = offsetsOf(kernel);
  const whole = padded(write, x, window);
  const seen = offsets.map((offset) => seenFrom(write, whole, window, offset));
  const [inner, outer] = [inputs / groups, outputs / groups];
  // Channels by places of the kernel, so that all of a group lie together.
  const columns =
    seen.length === 1
      ? reshape(write, mustAt(seen, 0), [rows, groups, inner, places])
      : stacked(write, seen, { rows, groups, inner, places });
  const products = write.microsoft('FusedMatMul', [columns, reshape(write, dy, [rows, groups, outer, places])], {
    transB: 1,
  });
  const sum = write.node('ReduceSum', [products, write.integers(0)], { keepdims: 0 });
  // [G, K C/G, O/G] -> [G, O/G, C/G, K]
  const apart = reshape(write, sum, [groups, offsets.length, inner, outer]);
  const turned = write.node('Transpose', [apart], { perm: [0, 3, 2, 1] });
  return reshape(write, turned, [outputs, inner, ...kernel]);
}

interface Columns {
  readonly rows: number;
  readonly groups: number;
  readonly inner: number;
  readonly places: number;
}

/** [N, G, K C/G, P]. */
function stacked(write: GraphWriter, seen: readonly string[], { rows, groups, inner, places }: Columns): string {
  if (groups === 1) {
    const all = write.node('Concat', seen, { axis: 1 });
    return reshape(write, all, [rows, 1, seen.length * inner, places]);
  }
  const parts = seen.map((one) => reshape(write, one, [rows, groups, inner, places]));
  return write.node('Concat', parts, { axis: 2 });
}
