/**
 * Convolution. Its gradient by the input is a transposed convolution; that by the weights has several forms, of which
 * the one that is fastest for the shapes is taken.
 *
 * Legend: N rows, C input channels, O output channels, G groups, P places of the output, K places of the kernel.
 */
import { mustAt } from '../../../../../shared/must.js';
import { reshape } from '../gradient/broadcast.js';
import { gradientOf, inputOf, integerOr, shapeOf, type BackwardNode, type Operator } from '../gradient/operator.js';
import { checkWindow, offsetsOf, padded, placesOf, seenFrom, windowOf, type Window } from '../gradient/windows.js';
import type { GraphWriter } from '../gradient/writer.js';

interface Convolution {
  readonly write: GraphWriter;
  readonly x: string;
  readonly weights: string;
  readonly dy: string;
  readonly window: Window;
  readonly groups: number;
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
}

function convolution(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const [x, weights] = [inputOf(backward, 0), inputOf(backward, 1)];
  const [shapeX, shapeW] = [shapeOf(backward, x), shapeOf(backward, weights)];
  checkWindow(node, shapeX.length);
  const given: Convolution = {
    write,
    x,
    weights,
    dy: gradientOf(backward),
    window: windowOf(node, shapeW.slice(2), shapeX, shapeOf(backward, node.outputs[0] ?? '')),
    groups: integerOr(node, 'group', 1),
    rows: mustAt(shapeX, 0),
    inputs: mustAt(shapeX, 1),
    outputs: mustAt(shapeW, 0),
  };
  const axes = [0, ...given.window.kernel.map((_, i) => i + 2)];
  return [
    backward.wants(0) ? byInput(given) : null,
    backward.wants(1) ? byWeights(given) : null,
    ...(node.inputs.length > 2
      ? [backward.wants(2) ? write.node('ReduceSum', [given.dy, write.integers(...axes)], { keepdims: 0 }) : null]
      : []),
  ];
}

/** A transposed convolution with the same weights, whose output is as long as the input was. */
function byInput({ write, dy, weights, window, groups }: Convolution): string {
  const { kernel, input, output, strides, dilations, before, behind } = window;
  const missing = kernel.map((k, i) => {
    const reach = (mustAt(output, i) - 1) * mustAt(strides, i) + (k - 1) * mustAt(dilations, i) + 1;
    return mustAt(input, i) - (reach - mustAt(before, i) - mustAt(behind, i));
  });
  return write.node('ConvTranspose', [dy, weights], {
    kernel_shape: kernel,
    strides,
    dilations,
    group: groups,
    pads: [...before, ...behind],
    output_padding: missing,
  });
}

function byWeights(given: Convolution): string {
  return given.groups === 1 && isNarrow(given) ? asConvolution(given) : byColumns(given);
}

/** Few channels: columns would be as large as the input times K, for products that are thin. */
function isNarrow({ inputs, window: { kernel } }: Convolution): boolean {
  return inputs < 4 && placesOf(kernel) > 1;
}

/** The rows take the channels' part: a convolution of x with dy for a kernel, strides and dilations changed over. */
function asConvolution({ write, x, dy, window }: Convolution): string {
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
function byColumns({ write, x, dy, window, groups, rows, inputs, outputs }: Convolution): string {
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

export const convolutions: readonly Operator[] = [{ op: 'Conv', gradient: convolution }];
