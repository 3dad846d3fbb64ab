/** Decodes images to grey or RGB pixels, with the numbers that PIL, torchvision, OpenCV and Keras give. */
import { readFile, stat } from 'node:fs/promises';
import type { Sharp, SharpInput, SharpOptions } from 'sharp';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { BitmapError, decodeBitmap, isBitmap } from './bmp.js';
import { damaged, fileError } from './file-errors.js';
import { unpackedLimit } from './unpacking.js';

/** Endings, in small letters, of the files that the decoder reads. */
export const imageEndings: ReadonlySet<string> = new Set([
  ...['.png', '.jpg', '.jpeg', '.jpe', '.jfif'],
  ...['.webp', '.gif', '.tif', '.tiff', '.avif', '.bmp', '.dib'],
]);

export interface DecodedImage {
  /** [height x width x channels]: bytes, or whole numbers below 65,536 of an image with 16 bits a channel. */
  readonly pixels: Uint8Array | Int32Array;
  /** [height, width, channels] */
  readonly shape: readonly number[];
}

/** An image to decode. */
export interface EncodedImage {
  /** What errors call it. */
  readonly name: string;
  /** A file's path, or its bytes, or what reads those when it is its turn. */
  readonly from: string | Uint8Array | (() => Uint8Array);
}

/** What the recipe says of all images of a source. */
export interface ImageWish {
  /** [height, width]; absent: each image's own. */
  readonly size?: readonly [number, number] | undefined;
  /** 1 is grey, 3 RGB; absent: the image's own. */
  readonly channels?: 1 | 3 | undefined;
}

/** @param sameChannels the channels that the image gets where the recipe says none; default: its own */
export type DecodeImage = (image: EncodedImage, sameChannels?: number) => Promise<DecodedImage>;

/** @throws UserError 2 where the package that decodes is not installed */
export async function openDecoder({ size, channels }: ImageWish): Promise<DecodeImage> {
  const { default: sharp } = await import('sharp').catch((error: unknown) => {
    throw new UserError(
      'images need the package sharp, which is not installed here: npm install sharp',
      exitCodes.usage,
      error,
    );
  });
  // Red, green, blue and alpha of each pixel.
  const mostPixels = Math.floor(unpackedLimit(0) / 4);
  return async ({ name, from }, sameChannels) => {
    try {
      const bytes =
        typeof from === 'string' ? await bytesOfFile(name, from) : typeof from === 'function' ? from() : from;
      const opened = open(sharp, bytes);
      const { space, depth, width, height } = await opened.metadata();
      if (width * height > mostPixels)
        throw damaged(
          name,
          `an image of ${height} x ${width}; ${mostPixels} pixels at most were wanted, or STILLHOUSE_UNPACKED_BYTES with more than 4 bytes for each`,
        );
      const kind = kindOf(space, depth);
      if (kind === null) throw damaged(name, `an image of ${depth} values; 8 or 16 bits a channel were wanted`);
      const plain = opened.removeAlpha();
      const sized = size === undefined ? plain : plain.resize(size[1], size[0], { fit: 'fill' });
      const { data, info } = await sized
        .pipelineColourspace(kind.space)
        .toColourspace(kind.space)
        .raw({ depth })
        .toBuffer({ resolveWithObject: true });
      const values = depth === 'uchar' ? data : Int32Array.from(uint16s(data));
      const own = kind.space === 'cmyk' ? rgbOf(values) : values;
      const wanted = channels ?? sameChannels ?? kind.channels;
      return { pixels: withChannels(own, kind.channels, wanted), shape: [info.height, info.width, wanted] };
    } catch (error) {
      if (error instanceof UserError) throw error;
      if (error instanceof BitmapError) throw damaged(name, error.message, error);
      throw damaged(name, 'no image that can be decoded; PNG, JPEG, WebP, GIF, TIFF, BMP or AVIF was wanted', error);
    }
  };
}

/** @throws UserError 2 for no such file, 65 for one that cannot be read or has no end that is known */
async function bytesOfFile(name: string, path: string): Promise<Buffer> {
  const called = name === path ? path : `${name}: ${path}`;
  const failed = (error: unknown): never => {
    throw fileError(called, error);
  };
  const found = await stat(path).catch(failed);
  if (!found.isFile() && !found.isDirectory()) throw damaged(called, 'it is no regular file; an image was wanted');
  return readFile(path).catch(failed);
}

type OpenSharp = (input: SharpInput, options: SharpOptions) => Sharp;

/** The package decodes all but BMP. */
function open(sharp: OpenSharp, bytes: Uint8Array): Sharp {
  // Other libraries take the numbers of a file as they are, whatever colour profile lies in it.
  if (!isBitmap(bytes)) return sharp(bytes, { ignoreIcc: true, limitInputPixels: false });
  const { width, height, channels, pixels } = decodeBitmap(bytes);
  const opened = sharp(pixels, { raw: { width, height, channels } });
  return channels === 1 ? opened.toColourspace('b-w') : opened;
}

interface Kind {
  /** The colour space that the decoder is asked for. */
  readonly space: string;
  readonly channels: 1 | 3;
}

/** @returns null for values that are neither bytes nor whole numbers of 16 bits */
function kindOf(space: string, depth: string | undefined): Kind | null {
  const is16 = depth === 'ushort';
  if (depth !== 'uchar' && !is16) return null;
  if (space === 'b-w' || space === 'grey16') return { space: is16 ? 'grey16' : 'b-w', channels: 1 };
  if (space === 'cmyk') return is16 ? null : { space, channels: 3 };
  return { space: is16 ? 'rgb16' : 'srgb', channels: 3 };
}

/** RGB from the four inks of each pixel as PIL computes it: what of the paper's white black leaves, less each ink's part. */
function rgbOf(inks: Pixels): Uint8Array {
  const out = new Uint8Array((inks.length / 4) * 3);
  for (let i = 0; i < out.length; i++) {
    const pixel = 4 * Math.floor(i / 3);
    const left = 255 - (inks[pixel + 3] ?? 0);
    out[i] = left - overWhite((inks[pixel + (i % 3)] ?? 0) * left);
  }
  return out;
}

/** A product of two bytes over 255, rounded. */
function overWhite(product: number): number {
  const half = product + 128;
  return ((half >> 8) + half) >> 8;
}

function uint16s(bytes: Uint8Array): Uint16Array {
  return new Uint16Array(bytes.slice().buffer);
}

type Pixels = DecodedImage['pixels'];

/** Grey from RGB, or RGB of equal channels from grey; pixels that have the channels already stay as they are. */
function withChannels(pixels: Pixels, own: number, wanted: number): Pixels {
  if (own === wanted) return pixels;
  const count = pixels.length / own;
  const out = pixels instanceof Uint8Array ? new Uint8Array(count * wanted) : new Int32Array(count * wanted);
  if (wanted === 1) for (let i = 0; i < count; i++) out[i] = luma(pixels, 3 * i);
  else for (let i = 0; i < out.length; i++) out[i] = pixels[Math.floor(i / wanted)] ?? 0;
  return out;
}

/**
 * The brightness of the RGB pixel at `at`: the weights of ITU-R BT.601 on the values as they are, in 16 bits of
 * fraction and rounded as PIL's `convert("L")` does: L = (19595 R + 38470 G + 7471 B + 32768) >> 16.
 */
function luma(pixels: Pixels, at: number): number {
  const [red = 0, green = 0, blue = 0] = [pixels[at], pixels[at + 1], pixels[at + 2]];
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >>> 16;
}
