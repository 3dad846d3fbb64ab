/**
 * Unpacks frames of LZ4, which Arrow files are packed by. Checksums are passed over: Arrow's readers check lengths alone.
 * Format: LZ4 Frame Format 1.6.3 and LZ4 Block Format. Pure.
 */

const magic = 0x184d2204;

/** The largest block by its code. */
const blockBytes: ReadonlyMap<number, number> = new Map([4, 5, 6, 7].map((code) => [code, 2 ** (8 + 2 * code)]));

/** Something unpacks to more bytes than are wanted. */
export class LongerThanWanted extends Error {}

/** @throws RangeError for bytes that are no whole frame, LongerThanWanted for one of more than `mostBytes` */
export function unpackLz4(frame: Uint8Array, mostBytes = Infinity): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const flags = frame[4] ?? 0;
  const most = blockBytes.get(((frame[5] ?? 0) >> 4) & 7);
  if (frame.length < 7 || view.getUint32(0, true) !== magic || flags >> 6 !== 1 || most === undefined)
    throw new RangeError('no LZ4 frame');
  // Beside the flags, the size of blocks and the header's checksum: the length of all, and a dictionary's number.
  let at = 7 + ((flags & 8) === 0 ? 0 : 8) + ((flags & 1) === 0 ? 0 : 4);
  let out = new Uint8Array(most);
  let length = 0;
  for (;;) {
    const size = view.getUint32(at, true);
    at += 4;
    if (size === 0) return out.subarray(0, length);
    const block = frame.subarray(at, at + (size & 0x7fffffff));
    if (block.length < (size & 0x7fffffff)) throw new RangeError('an LZ4 frame that is cut short');
    if (out.length < length + most) {
      const larger = new Uint8Array(Math.max(2 * out.length, length + most));
      larger.set(out.subarray(0, length));
      out = larger;
    }
    if (size >>> 31 === 1) {
      if (block.length > most) throw new RangeError('an LZ4 block that is too long');
      out.set(block, length);
      length += block.length;
    } else length = unpackBlock(block, out.subarray(0, length + most), length);
    if (length > mostBytes) throw new LongerThanWanted();
    at += block.length + ((flags & 16) === 0 ? 0 : 4);
  }
}

/** @param out what was unpacked before, and room for the block @returns the length of what is unpacked */
function unpackBlock(block: Uint8Array, out: Uint8Array, from: number): number {
  let [at, to] = [0, from];
  const next = (): number => {
    const byte = block[at++];
    if (byte === undefined) throw new RangeError('an LZ4 block that is cut short');
    return byte;
  };
  const lengthOf = (short: number): number => {
    let length = short;
    if (short === 15)
      for (let more = 255; more === 255;) {
        more = next();
        length += more;
      }
    return length;
  };
  for (;;) {
    const token = next();
    const literals = lengthOf(token >> 4);
    if (at + literals > block.length || to + literals > out.length)
      throw new RangeError('an LZ4 block that is too long');
    out.set(block.subarray(at, at + literals), to);
    at += literals;
    to += literals;
    if (at === block.length) return to;
    const offset = next() | (next() << 8);
    const match = lengthOf(token & 15) + 4;
    if (offset === 0 || offset > to || to + match > out.length) throw new RangeError('an LZ4 match out of range');
    // A match may overlap what it makes.
    for (let i = 0; i < match; i++, to++) out[to] = out[to - offset] ?? 0;
  }
}
