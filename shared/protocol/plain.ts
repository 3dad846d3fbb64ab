/**
 * Whether MessagePack bytes hold one value of plain data: nil, booleans, numbers, strings, arrays, and maps with string
 * keys. Binary and extension types are refused, as are nesting beyond `maximumDepth` and lengths beyond the bytes that
 * are there: a decoder run afterwards builds nothing but plain objects, and allocates no more than it was sent.
 */
import { ProtocolError } from '../errors.js';

const maximumDepth = 16;

/** @throws ProtocolError */
export function checkPlain(bytes: Uint8Array): void {
  const end = skipValue(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, 0);
  if (end !== bytes.length) throw new ProtocolError(`${bytes.length - end} bytes after the header's value`);
}

/** Offset of the byte after the value at `at`. */
function skipValue(view: DataView, at: number, depth: number): number {
  if (depth > maximumDepth) throw new ProtocolError(`header nested deeper than ${maximumDepth}`);
  const code = byteAt(view, at);
  if (code < 0x80 || code >= 0xe0) return at + 1;
  if (code < 0x90) return skipMap(view, { at: at + 1, items: code & 0x0f, depth });
  if (code < 0xa0) return skipArray(view, { at: at + 1, items: code & 0x0f, depth });
  if (code < 0xc0) return within(view, at + 1 + (code & 0x1f));
  return skipCoded(view, { code, at, depth });
}

/** Values whose first byte is 0xc0 to 0xdf. */
function skipCoded(view: DataView, { code, at, depth }: { code: number; at: number; depth: number }): number {
  const fixed = fixedSizes.get(code);
  if (fixed !== undefined) return within(view, at + fixed);
  const width = lengthWidths.get(code);
  if (width === undefined)
    throw new ProtocolError(`header with MessagePack type 0x${code.toString(16)}; plain data was wanted`);
  const length = lengthAt(view, at + 1, width);
  const start = at + 1 + width;
  if (code >= 0xde) return skipMap(view, { at: start, items: length, depth });
  return code >= 0xdc ? skipArray(view, { at: start, items: length, depth }) : within(view, start + length);
}

/** nil, false, true, float32/64, uint8..64, int8..64: bytes in all. */
const fixedSizes = new Map([
  [0xc0, 1],
  [0xc2, 1],
  [0xc3, 1],
  [0xca, 5],
  [0xcb, 9],
  [0xcc, 2],
  [0xcd, 3],
  [0xce, 5],
  [0xcf, 9],
  [0xd0, 2],
  [0xd1, 3],
  [0xd2, 5],
  [0xd3, 9],
]);
/** str8/16/32, array16/32, map16/32: bytes of the length that follows. */
const lengthWidths = new Map([
  [0xd9, 1],
  [0xda, 2],
  [0xdb, 4],
  [0xdc, 2],
  [0xdd, 4],
  [0xde, 2],
  [0xdf, 4],
]);

interface Items {
  readonly at: number;
  readonly items: number;
  readonly depth: number;
}

function skipArray(view: DataView, { at, items, depth }: Items): number {
  let next = at;
  for (let i = 0; i < items; i++) next = skipValue(view, next, depth + 1);
  return next;
}

function skipMap(view: DataView, { at, items, depth }: Items): number {
  let next = at;
  for (let i = 0; i < items; i++) {
    if (!isString(byteAt(view, next))) throw new ProtocolError('header with a map key that is not a string');
    next = skipValue(view, skipValue(view, next, depth + 1), depth + 1);
  }
  return next;
}

function isString(code: number): boolean {
  return (code >= 0xa0 && code < 0xc0) || (code >= 0xd9 && code <= 0xdb);
}

function byteAt(view: DataView, at: number): number {
  within(view, at + 1);
  return view.getUint8(at);
}

function lengthAt(view: DataView, at: number, width: number): number {
  within(view, at + width);
  if (width === 1) return view.getUint8(at);
  return width === 2 ? view.getUint16(at) : view.getUint32(at);
}

function within(view: DataView, end: number): number {
  if (end > view.byteLength)
    throw new ProtocolError(`header ends at byte ${view.byteLength}, in the middle of a value`);
  return end;
}
