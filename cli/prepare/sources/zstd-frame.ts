/**
 * How much frames of Zstandard may unpack to, told before they are unpacked: the library that does makes room for what a
 * header says. Format: RFC 8878. Pure.
 */

const magic = 0xfd2fb528;
const [skippableMagic, skippableMask] = [0x184d2a50, 0xfffffff0];

/** What a packed block may unpack to. */
const blockBytes = 2 ** 17;

/** @returns the most bytes that the frames need when they are unpacked @throws RangeError for bytes that are no whole frames */
export function zstdBytes(packed: Uint8Array): number {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  let bytes = 0;
  for (let at = 0; at < packed.length;) {
    if ((view.getUint32(at, true) & skippableMask) >>> 0 === skippableMagic) {
      at += 8 + view.getUint32(at + 4, true);
      continue;
    }
    if (view.getUint32(at, true) !== magic) throw new RangeError('no Zstandard frame');
    const head = headOf(view, at + 4);
    const blocks = blocksOf(view, head.end);
    bytes += head.sizeBytes ?? Math.max(blocks.bytes, head.windowBytes);
    at = blocks.end + (head.hasChecksum ? 4 : 0);
  }
  return bytes;
}

interface FrameHead {
  readonly end: number;
  /** Null where the frame does not say it. */
  readonly sizeBytes: number | null;
  readonly windowBytes: number;
  readonly hasChecksum: boolean;
}

function headOf(view: DataView, at: number): FrameHead {
  const flags = view.getUint8(at);
  const isSingle = (flags & 32) !== 0;
  const window = isSingle ? 0 : view.getUint8(at + 1);
  const least = 2 ** (10 + (window >> 3));
  const sizeAt = at + (isSingle ? 1 : 2) + ([0, 1, 2, 4][flags & 3] ?? 0);
  const sizeLength = flags >> 6 === 0 ? (isSingle ? 1 : 0) : 2 ** (flags >> 6);
  const sizes = [
    () => view.getUint8(sizeAt),
    () => view.getUint16(sizeAt, true) + 256,
    () => view.getUint32(sizeAt, true),
    () => Number(view.getBigUint64(sizeAt, true)),
  ];
  return {
    end: sizeAt + sizeLength,
    sizeBytes: sizeLength === 0 ? null : (sizes[flags >> 6]?.() ?? null),
    windowBytes: isSingle ? 0 : least + (least / 8) * (window & 7),
    hasChecksum: (flags & 4) !== 0,
  };
}

/** The blocks of a frame: what they may unpack to, and where they end. */
function blocksOf(view: DataView, from: number): { readonly bytes: number; readonly end: number } {
  let [at, bytes, isLast] = [from, 0, false];
  while (!isLast) {
    const head = view.getUint16(at, true) + (view.getUint8(at + 2) << 16);
    const [kind, size] = [(head >> 1) & 3, head >> 3];
    isLast = (head & 1) === 1;
    // Of a block of one byte many times over, that byte alone is there.
    at += 3 + (kind === 1 ? 1 : size);
    bytes += kind === 2 ? blockBytes : size;
  }
  return { bytes, end: at };
}
