/** Paddings by constants, by the edge, by reflection at it, and around. */
import { mustAt } from '../../../../../shared/must.js';
import { axesOf } from '../gradient/broadcast.js';
import {
  axisOf,
  gradientOf,
  inputOf,
  NoGradient,
  shapeOf,
  textOr,
  type BackwardNode,
  type Operator,
} from '../gradient/operator.js';
import type { GraphWriter } from '../gradient/writer.js';

/** What was added before and behind an axis of that length; less than 0: cut off. */
interface Padding {
  readonly axis: number;
  readonly length: number;
  readonly before: number;
  readonly behind: number;
}

/** @throws NoGradient for widths that are not constant */
function paddingsOf(backward: BackwardNode): Padding[] {
  const { node } = backward;
  const x = shapeOf(backward, inputOf(backward, 0));
  const pads = backward.constant(inputOf(backward, 1));
  if (pads === null) throw new NoGradient('a Pad whose widths are computed from the samples');
  const named = node.inputs[3] ?? '';
  const axes = (named === '' ? null : backward.constant(named)) ?? axesOf(x);
  return axes
    .map((given, i) => {
      const axis = axisOf(given, x.length);
      return { axis, length: mustAt(x, axis), before: mustAt(pads, i), behind: mustAt(pads, i + axes.length) };
    })
    .filter(({ before, behind }) => before !== 0 || behind !== 0);
}

/** The values of an axis of `rank` from one place to before another. */
function part(write: GraphWriter, value: string, axis: number, from: number, to: number): string {
  return write.node('Slice', [value, write.integers(from), write.integers(to), write.integers(axis)]);
}

/** The same values in the reverse order. */
export function reversed(write: GraphWriter, value: string, axis: number): string {
  const least = Number.MIN_SAFE_INTEGER;
  const ends = [write.integers(-1), write.integers(least), write.integers(axis), write.integers(-1)];
  return write.node('Slice', [value, ...ends]);
}

/** Zeros before and behind one axis; less than 0 cuts off. */
function around(write: GraphWriter, value: string, rank: number, { axis, before, behind }: Padding): string {
  const widths = Array.from({ length: 2 * rank }, () => 0);
  widths[axis] = before;
  widths[axis + rank] = behind;
  return write.node('Pad', [value, write.integers(...widths)]);
}

/** The gradient of what was added before an axis (`isBehind`: behind it), at the places that it was taken from. */
type Returned = (write: GraphWriter, added: string, padding: Padding, isBehind: boolean, rank: number) => string;

const byMode: Readonly<Record<string, Returned>> = {
  edge: (write, added, padding, isBehind, rank) => {
    const { axis, length } = padding;
    const sum = write.node('ReduceSum', [added, write.integers(axis)], { keepdims: 1 });
    const [before, behind] = isBehind ? [length - 1, 0] : [0, length - 1];
    return around(write, sum, rank, { ...padding, before, behind });
  },
  reflect: (write, added, padding, isBehind, rank) => {
    const { axis, length } = padding;
    const rest = length - 1 - (isBehind ? padding.behind : padding.before);
    const [before, behind] = isBehind ? [rest, 1] : [1, rest];
    return around(write, reversed(write, added, axis), rank, { ...padding, before, behind });
  },
  wrap: (write, added, padding, isBehind, rank) => {
    const rest = padding.length - (isBehind ? padding.behind : padding.before);
    const [before, behind] = isBehind ? [0, rest] : [rest, 0];
    return around(write, added, rank, { ...padding, before, behind });
  },
};

function pad(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const mode = textOr(node, 'mode', 'constant');
  const paddings = paddingsOf(backward);
  const rank = shapeOf(backward, inputOf(backward, 0)).length;
  const none = node.inputs.slice(1).map(() => null);
  if (mode === 'constant') {
    const widths = Array.from({ length: 2 * rank }, () => 0);
    for (const { axis, before, behind } of paddings) {
      widths[axis] = -before;
      widths[axis + rank] = -behind;
    }
    return [write.node('Pad', [gradientOf(backward), write.integers(...widths)]), ...none];
  }
  const returned = byMode[mode];
  if (returned === undefined) throw new NoGradient(`a Pad of mode ${mode}`);
  // One axis after the other: a corner was taken from an edge that was itself added.
  const dx = paddings.reduce((dy, padding) => unpadded(write, dy, { padding, returned, rank }), gradientOf(backward));
  return [dx, ...none];
}

interface Unpadding {
  readonly padding: Padding;
  readonly returned: Returned;
  readonly rank: number;
}

function unpadded(write: GraphWriter, dy: string, { padding, returned, rank }: Unpadding): string {
  const { axis, length, before, behind } = padding;
  if (before < 0 || behind < 0 || Math.max(before, behind) > length)
    throw new NoGradient(`a Pad by ${before} and ${behind} of an axis of ${length}`);
  const inner = part(write, dy, axis, before, before + length);
  const parts = [
    ...(before === 0 ? [] : [returned(write, part(write, dy, axis, 0, before), padding, false, rank)]),
    ...(behind === 0
      ? []
      : [returned(write, part(write, dy, axis, before + length, before + length + behind), padding, true, rank)]),
  ];
  return parts.reduce((sum, one) => write.node('Add', [sum, one]), inner);
}

export const pads: readonly Operator[] = [{ op: 'Pad', gradient: pad }];
