/**
 * Decodes BMP images that are not compressed, with the numbers that PIL gives. Pure.
 * Source: Microsoft, "Bitmap Storage" (BITMAPFILEHEADER, BITMAPCOREHEADER, BITMAPINFOHEADER and its later forms).
 */
import { counted } from '../../../shared/counted.js';

export interface Bitmap {
  readonly width: number;
  readonly height: number;
  /** 1 where the palette is the 256 greys, or black and white, in their order; else 3. */
  readonly channels: 1 | 3;
  /** [height x width x channels], the upper row first. */
  readonly pixels: Uint8Array;
}

/** A bitmap that is damaged or of a kind that is not read. The message says what it has, and what was wanted. */
export class BitmapError extends Error {}

export function isBitmap(bytes: Uint8Array): boolean {
  return bytes[0] === 0x42 && bytes[1] === 0x4d;
}

interface Header {
  readonly width: number;
  readonly height: number;
  /** Whether the lower row comes first, as is usual. */
  readonly isUpward: boolean;
  readonly bits: number;
  readonly masks: readonly number[];
  /** Colours of the palette: red, green, blue. */
  readonly palette: readonly (readonly number[])[];
  /** Where the pixels begin. */
  readonly at: number;
}

/** @throws BitmapError for one that cannot be read */
export function decodeBitmap(bytes: Uint8Array): Bitmap {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = readHeader(view);
  const { width, height, isUpward, bits, palette, at } = header;
  const stride = 4 * Math.ceil((width * bits) / 32);
  if (at + stride * height > bytes.length)
    throw new BitmapError(`cut off: ${counted(bytes.length, 'byte')}; ${at + stride * height} were wanted`);
  const isGrey = palette.length > 0 && palette.every((colour, i) => isGreyOf(colour, i, palette.length));
  const channels = isGrey ? 1 : 3;
  const colourAt = palette.length > 0 ? paletteReader(view, header) : maskReader(view, header);
  const pixels = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const row = at + stride * (isUpward ? height - 1 - y : y);
    for (let x = 0; x < width; x++) {
      const colour = colourAt(row, x);
      for (let c = 0; c < channels; c++) pixels[(y * width + x) * channels + c] = colour[c] ?? 0;
    }
  }
  return { width, height, channels, pixels };
}

/** PIL calls an image grey whose palette counts up from black to white; of two colours, where they are those. */
function isGreyOf(colour: readonly number[], i: number, count: number): boolean {
  const grey = count === 2 ? 255 * i : i;
  return colour.every((value) => value === grey);
}

/** Bits a pixel that are read. */
const depths = [1, 4, 8, 16, 24, 32];
const compressions: Readonly<Record<number, string>> = { 1: 'RLE8', 2: 'RLE4', 4: 'JPEG', 5: 'PNG' };
/** `biCompression` of pixels whose bits are shared out by masks. */
const [plain, byMasks] = [0, 3];

function readHeader(view: DataView): Header {
  const size = view.byteLength < 18 ? 0 : view.getUint32(14, true);
  if ((size !== 12 && size < 40) || view.byteLength < 14 + size)
    throw new BitmapError('its header is cut off or damaged; a whole BMP was wanted');
  const isCore = size === 12;
  const width = isCore ? view.getUint16(18, true) : view.getInt32(18, true);
  const rows = isCore ? view.getUint16(20, true) : view.getInt32(22, true);
  const bits = view.getUint16(isCore ? 24 : 28, true);
  const compression = isCore ? plain : view.getUint32(30, true);
  if (compression !== plain && compression !== byMasks)
    throw new BitmapError(
      `a BMP compressed by ${compressions[compression] ?? `method ${compression}`}; an uncompressed one, or PNG, was wanted`,
    );
  if (width <= 0 || rows === 0 || !depths.includes(bits))
    throw new BitmapError(
      `a BMP of ${width} x ${rows} pixels of ${counted(bits, 'bit')}; some pixels of ${depths.join(', ')} bits were wanted`,
    );
  return {
    ...{ width, height: Math.abs(rows), isUpward: rows > 0, bits },
    masks: compression === byMasks ? masksOf(view) : (plainMasks[bits] ?? []),
    palette: bits > 8 ? [] : paletteOf(view, { size, bits }),
    at: view.getUint32(10, true),
  };
}

/** Masks of red, green and blue where none are given. */
const plainMasks: Readonly<Record<number, readonly number[]>> = {
  16: [0x7c00, 0x03e0, 0x001f],
  24: [0xff0000, 0x00ff00, 0x0000ff],
  32: [0xff0000, 0x00ff00, 0x0000ff],
};

function masksOf(view: DataView): number[] {
  if (view.byteLength < 66) throw new BitmapError('its header is cut off or damaged; a whole BMP was wanted');
  return [54, 58, 62].map((at) => view.getUint32(at, true));
}

function paletteOf(view: DataView, { size, bits }: { size: number; bits: number }): number[][] {
  const width = size === 12 ? 3 : 4;
  const given = size === 12 ? 0 : view.getUint32(46, true);
  const count = given === 0 ? 2 ** bits : Math.min(given, 2 ** bits);
  const from = 14 + size;
  if (from + width * count > view.byteLength)
    throw new BitmapError(`its palette of ${count} colours is cut off; a whole BMP was wanted`);
  return Array.from({ length: count }, (_, i) => [2, 1, 0].map((c) => view.getUint8(from + width * i + c)));
}

type ReadColour = (row: number, x: number) => readonly number[];

function paletteReader(view: DataView, { bits, palette }: Header): ReadColour {
  const perByte = 8 / bits;
  return (row, x) => {
    const byte = view.getUint8(row + Math.floor(x / perByte));
    const index = (byte >> (8 - bits * ((x % perByte) + 1))) & (2 ** bits - 1);
    const colour = palette[index];
    if (colour === undefined)
      throw new BitmapError(`a pixel of colour ${index}; its palette has ${palette.length}, a lower one was wanted`);
    return colour;
  };
}

/** Values of fewer than eight bits are brought to 255, rounded down as PIL does. */
function maskReader(view: DataView, { bits, masks }: Header): ReadColour {
  const parts = masks.map((mask) => {
    const shift = mask === 0 ? 0 : 31 - Math.clz32(mask & -mask);
    return { shift, most: mask >>> shift };
  });
  const pixelAt: Readonly<Record<number, (at: number) => number>> = {
    16: (at) => view.getUint16(at, true),
    24: (at) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16),
    32: (at) => view.getUint32(at, true),
  };
  const read = pixelAt[bits];
  if (read === undefined)
    throw new BitmapError(`masks for pixels of ${counted(bits, 'bit')}; 16, 24 or 32 were wanted`);
  return (row, x) => {
    const pixel = read(row + (x * bits) / 8);
    return parts.map(({ shift, most }) =>
      most === 0 ? 0 : Math.floor((255 * (((pixel >>> shift) & most) >>> 0)) / most),
    );
  };
}
