/** Images as other libraries see them. The numbers are those of PIL 12: `Image.open(...).convert("L")` and `"RGB"`. */
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { openDecoder, type DecodedImage, type ImageWish } from '../../../../cli/prepare/sources/image-decoder.js';

async function decoded(from: Uint8Array, wish: ImageWish = {}): Promise<DecodedImage> {
  return (await openDecoder(wish))({ name: 'a picture', from });
}

const colours = [
  [230, 40, 40],
  [20, 70, 230],
  [255, 0, 0],
  [0, 255, 0],
  [0, 0, 255],
  [1, 2, 3],
  [200, 30, 160],
  [255, 255, 254],
];
const colourful = sharp(Uint8Array.from(colours.flat()), { raw: { width: 8, height: 1, channels: 3 } });

/** A TIFF of four pixels of cyan, magenta, yellow and black: 10 200 30 0, 0 0 0 128, 255 128 64 32, 7 77 177 99. */
const inks = Buffer.from(
  'SUkqAAgAAAAKAAABBAABAAAABAAAAAEBBAABAAAAAQAAAAIBAwAEAAAAhgAAAAMBAwABAAAAAQAAAAYBAwABAAAABQAAABEBBAABAAAAjgAAABUBAwABAAAA' +
    'BAAAABYBBAABAAAAAQAAABcBBAABAAAAEAAAABwBAwABAAAAAQAAAAAAAAAIAAgACAAIAArIHgAAAACA/4BAIAdNsWM=',
  'base64',
);

describe('colours', () => {
  it('become grey by the weights of ITU-R 601 on the values as they are', async () => {
    const grey = await decoded(await colourful.clone().png().toBuffer(), { channels: 1 });
    expect([grey.shape, [...grey.pixels]]).toEqual([
      [1, 8, 1],
      [97, 73, 76, 150, 29, 2, 96, 255],
    ]);
  });

  it('stay the numbers of the file, whatever profile lies in it', async () => {
    const png = await colourful.clone().withIccProfile('p3').png().toBuffer();
    const raw = await sharp(png, { ignoreIcc: true }).raw().toBuffer();
    expect([...raw.subarray(0, 3)]).not.toEqual([230, 40, 40]);
    expect([...(await decoded(png)).pixels]).toEqual([...raw]);
  });

  it('of inks become those of light', async () => {
    expect([...(await decoded(inks)).pixels]).toEqual([245, 55, 225, 127, 127, 127, 0, 111, 167, 152, 109, 48]);
    expect([...(await decoded(inks, { channels: 1 })).pixels]).toEqual([131, 127, 84, 115]);
  });

  it('are three alike of a grey image, and none of what shines through', async () => {
    const grey = sharp(Uint8Array.of(7, 200), { raw: { width: 2, height: 1, channels: 1 } }).toColourspace('b-w');
    expect([...(await decoded(await grey.png().toBuffer(), { channels: 3 })).pixels]).toEqual([7, 7, 7, 200, 200, 200]);
    const clear = sharp(Uint8Array.of(9, 8, 7, 0), { raw: { width: 1, height: 1, channels: 4 } });
    expect([...(await decoded(await clear.png().toBuffer())).pixels]).toEqual([9, 8, 7]);
  });
});

describe('16 bits a channel', () => {
  const dark = (channels: 1 | 3): Promise<Buffer> => {
    const raw = sharp(Uint16Array.of(0, 16, 3840, 255, 256, 65535), {
      raw: { width: 6 / channels, height: 1, channels },
    });
    return raw
      .toColourspace(channels === 1 ? 'grey16' : 'rgb16')
      .png()
      .toBuffer();
  };

  it('stay whole numbers of their own depth', async () => {
    const { pixels, shape } = await decoded(await dark(1));
    expect(pixels).toBeInstanceOf(Int32Array);
    expect([shape, [...pixels]]).toEqual([
      [1, 6, 1],
      [0, 16, 3840, 255, 256, 65535],
    ]);
    expect([...(await decoded(await dark(3))).pixels]).toEqual([0, 16, 3840, 255, 256, 65535]);
  });

  it('become grey in their own depth', async () => {
    // (19595 x 0 + 38470 x 16 + 7471 x 3840 + 32768) / 65536 = 447.6, and 7697.9.
    expect([...(await decoded(await dark(3), { channels: 1 })).pixels]).toEqual([447, 7697]);
  });
});

it.each(['png', 'jpeg', 'webp', 'gif', 'tiff', 'avif'] as const)('reads %s', async (format) => {
  const plain = sharp(
    Uint8Array.from({ length: 3 * 256 }, () => 128),
    { raw: { width: 16, height: 16, channels: 3 } },
  );
  const { shape, pixels } = await decoded(await plain.toFormat(format).toBuffer());
  expect(shape).toEqual([16, 16, 3]);
  expect(pixels.every((value) => Math.abs(value - 128) <= 2)).toBe(true);
});

it('refuses values of another kind', async () => {
  // A TIFF of two floats.
  const floats = Buffer.from(
    'SUkqAAgAAAAKAAABBAABAAAAAgAAAAEBBAABAAAAAQAAAAIBAwABAAAAIAAAAAMBAwABAAAAAQAAAAYBAwABAAAAAQAAABEBBAABAAAAhgAAABYBBAABAAAA' +
      'AQAAABcBBAABAAAACAAAABwBAwABAAAAAQAAAFMBAwABAAAAAwAAAAAAAAAAAAA/AACAPg==',
    'base64',
  );
  await expect(decoded(floats)).rejects.toMatchObject({
    exitCode: 65,
    message: 'a picture: an image of float values; 8 or 16 bits a channel were wanted',
  });
});
