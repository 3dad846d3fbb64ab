/** Operators that move numbers, sum them along axes, or multiply matrices. */
import { fused } from './convolutions.js';
import type { NodeWriter, WriteNode } from './node.js';

const [farBehind, farBefore] = [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];

function reduction(op: string): WriteNode {
  return (n) => {
    const axes = n.integers(1, 'axes');
    const keepdims = n.flag('keep_dims') ? 1 : 0;
    if (axes.length === 0) return n.b.node('Identity', [n.input(0)]);
    return op === 'ReduceSum'
      ? n.b.node(op, [n.input(0), n.b.integers(...axes)], { keepdims })
      : n.b.node(op, [n.input(0)], { axes, keepdims });
  };
}

function pad(n: NodeWriter, more: readonly string[], mode = 'constant'): string {
  const lengths = n.integers(1, 'paddings');
  const before = lengths.filter((_, i) => i % 2 === 0);
  const behind = lengths.filter((_, i) => i % 2 === 1);
  return n.b.node('Pad', [n.input(0), n.b.integers(...before, ...behind), ...more], { mode });
}

function mirrorPad(n: NodeWriter): string {
  if (n.text('mode', 'REFLECT') !== 'REFLECT') throw n.refusal('its mode is SYMMETRIC; REFLECT was wanted for ONNX');
  return pad(n, [], 'reflect');
}

function slice(n: NodeWriter): string {
  const begin = n.integers(1, 'begin');
  const sizes = n.integers(2, 'size');
  const ends = sizes.map((size, axis) => (size < 0 ? farBehind : (begin[axis] ?? 0) + size));
  return n.b.node('Slice', [n.input(0), n.b.integers(...begin), n.b.integers(...ends)]);
}

/** Axes behind an ellipsis are counted from the back. */
function stridedSlice(n: NodeWriter): string {
  const has = (mask: string, axis: number): boolean => ((n.number(mask, 0) >> axis) & 1) === 1;
  const [begin, end, strides] = [n.integers(1, 'begin'), n.integers(2, 'end'), n.integers(3, 'strides')];
  const ellipsis = begin.findIndex((_, axis) => has('ellipsis_mask', axis));
  if (begin.some((_, axis) => has('new_axis_mask', axis))) throw n.refusal('new axes cannot be written as ONNX');
  const parts = begin.flatMap((from, i) => {
    if (i === ellipsis) return [];
    const step = strides[i] ?? 1;
    const isShrunk = has('shrink_axis_mask', i);
    const start = has('begin_mask', i) ? (step > 0 ? 0 : farBehind) : from;
    const open = step > 0 ? farBehind : farBefore;
    const stop = isShrunk ? (from === -1 ? farBehind : from + 1) : has('end_mask', i) ? open : (end[i] ?? open);
    return [{ axis: ellipsis >= 0 && i > ellipsis ? i - begin.length : i, start, stop, step, isShrunk }];
  });
  const list = (pick: (part: (typeof parts)[number]) => number): string => n.b.integers(...parts.map(pick));
  const out = n.b.node('Slice', [
    n.input(0),
    list(({ start }) => start),
    list(({ stop }) => stop),
    list(({ axis }) => axis),
    list(({ step }) => step),
  ]);
  const shrunk = parts.flatMap(({ axis, isShrunk }) => (isShrunk ? [axis] : []));
  return shrunk.length === 0 ? out : n.b.node('Squeeze', [out, n.b.integers(...shrunk)]);
}

function squeeze(n: NodeWriter): string {
  const axes = n.list('squeeze_dims');
  return n.b.node('Squeeze', axes.length === 0 ? [n.input(0)] : [n.input(0), n.b.integers(...axes)]);
}

function pack(n: NodeWriter): string {
  const axis = n.number('axis', 0);
  const parts = n.inputs.map((x) => n.b.node('Unsqueeze', [x, n.b.integers(axis)]));
  return n.b.node('Concat', parts, { axis });
}

/** In equal parts. @returns the name of each */
function split(n: NodeWriter, x: string, { axis, count }: { readonly axis: number; readonly count: number }): string[] {
  const base = `t${n.b.nodes.length}`;
  const outputs = Array.from({ length: count }, (_, i) => `${base}_${i}`);
  n.b.nodes.push({ op: 'Split', inputs: [x], outputs, attributes: { axis } });
  return outputs;
}

function splitAt(n: NodeWriter): string[] {
  const lengths = n.integers(1, 'sizes');
  if (lengths.includes(-1)) throw n.refusal('one of its sizes is left open');
  const base = `t${n.b.nodes.length}`;
  const outputs = lengths.map((_, i) => `${base}_${i}`);
  const inputs = [n.input(0), n.b.integers(...lengths)];
  n.b.nodes.push({ op: 'Split', inputs, outputs, attributes: { axis: n.integer(2, 'axis') } });
  return outputs;
}

/** That number at each place of the input. */
const filled =
  (value: number): WriteNode =>
  (n) =>
    n.b.node('Expand', [n.b.scalar(value), n.b.node('Shape', [n.input(0)])]);

function unpack(n: NodeWriter): string[] {
  const axis = n.number('axis', 0);
  const parts = split(n, n.input(0), { axis, count: n.number('num', 1) });
  return parts.map((part) => n.b.node('Squeeze', [part, n.b.integers(axis)]));
}

function gather(n: NodeWriter): string {
  if (n.number('batch_dims', 0) !== 0) throw n.refusal('its batch_dims is not 0');
  const axis = n.operands.length > 2 ? n.integer(2, 'axis') : 0;
  return n.b.node('Gather', [n.input(0), n.input(1)], { axis });
}

/** The last two axes of any number of them changed over. */
const matrixTurned = (n: NodeWriter, x: string): string => n.b.node('Einsum', [x], { equation: '...ij->...ji' });

function matMul(n: NodeWriter, [left, right]: readonly [string, string]): string {
  const side = (i: number, flag: string): string => (n.flag(flag) ? matrixTurned(n, n.input(i)) : n.input(i));
  return n.b.node('MatMul', [side(0, left), side(1, right)]);
}

/** By TensorFlow's name. */
export const shapes: Readonly<Record<string, WriteNode>> = {
  Mean: reduction('ReduceMean'),
  Sum: reduction('ReduceSum'),
  Max: reduction('ReduceMax'),
  Min: reduction('ReduceMin'),
  Prod: reduction('ReduceProd'),
  ArgMin: (n) => n.b.node('ArgMin', [n.input(0)], { axis: n.integer(1, 'axis'), keepdims: 0 }),
  ArgMax: (n) => n.b.node('ArgMax', [n.input(0)], { axis: n.integer(1, 'axis'), keepdims: 0 }),
  Reshape: (n) => n.b.node('Reshape', [n.input(0), n.input(1)]),
  Squeeze: squeeze,
  ExpandDims: (n) => n.b.node('Unsqueeze', [n.input(0), n.b.integers(n.integer(1, 'axis'))]),
  Pad: (n) => pad(n, []),
  PadV2: (n) => pad(n, [n.input(2)]),
  MirrorPad: mirrorPad,
  ConcatV2: (n) => {
    const last = n.operands.length - 1;
    return n.b.node('Concat', n.inputs.slice(0, last), { axis: n.integer(last, 'axis') });
  },
  Pack: pack,
  Unpack: unpack,
  Split: (n) => split(n, n.input(1), { axis: n.integer(0, 'axis'), count: n.number('num_split', 1) }),
  SplitV: splitAt,
  ZerosLike: filled(0),
  OnesLike: filled(1),
  Transpose: (n) => n.b.node('Transpose', [n.input(0)], { perm: n.integers(1, 'order of axes') }),
  GatherV2: gather,
  Gather: gather,
  Slice: slice,
  StridedSlice: stridedSlice,
  Shape: (n) => n.b.node('Shape', [n.input(0)]),
  Fill: (n) => n.b.node('Expand', [n.input(1), n.input(0)]),
  BroadcastTo: (n) => n.b.node('Expand', n.inputs),
  Tile: (n) => n.b.node('Tile', n.inputs),
  MatMul: (n) => matMul(n, ['transpose_a', 'transpose_b']),
  _FusedMatMul: (n) => fused(n, matMul(n, ['transpose_a', 'transpose_b'])),
  BatchMatMul: (n) => matMul(n, ['adj_x', 'adj_y']),
  BatchMatMulV2: (n) => matMul(n, ['adj_x', 'adj_y']),
  Einsum: (n) => n.b.node('Einsum', n.inputs, { equation: n.text('equation', '') }),
};
