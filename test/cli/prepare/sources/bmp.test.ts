/** BMP files as PIL 13 reads them: the numbers are those of `Image.open(...).convert("RGB")`, or "L" where its mode is L or 1. */
import { describe, expect, it } from 'vitest';
import { openDecoder } from '../../../../cli/prepare/sources/image-decoder.js';

/** What it is, the file, the image's shape and its pixels. */
const bitmaps: [string, string, number[], number[]][] = [
  [
    '24 bits',
    'Qk1mAAAAAAAAADYAAAAoAAAABQAAAAMAAAABABgAAAAAADAAAADEDgAAxA4AAAAAAAAAAAAAFizYigXce0wUB2dsAh8BAIuhukfvjwCr0I3bZLrDCACCo9kKTkUsBBPpptD4m4AA',
    [3, 5, 3],
    [
      217, 163, 130, 69, 78, 10, 19, 4, 44, 208, 166, 233, 128, 155, 248, 186, 161, 139, 143, 239, 71, 208, 171, 0, 100,
      219, 141, 8, 195, 186, 216, 44, 22, 220, 5, 138, 20, 76, 123, 108, 103, 7, 1, 31, 2,
    ],
  ],
  [
    '32 bits',
    'Qk1OAAAAAAAAADYAAAAoAAAAAwAAAAIAAAABACAAAAAAABgAAAAAAAAAAAAAAAAAAAAAAAAAsLRj4CKUuNiGYE9sfLjjEu+IW6ySQVK4',
    [2, 3, 3],
    [227, 184, 124, 91, 136, 239, 82, 65, 146, 99, 180, 176, 184, 148, 34, 79, 96, 134],
  ],
  [
    '32 bits, the upper row first',
    'Qk1OAAAAAAAAADYAAAAoAAAAAwAAAP7///8BACAAAAAAABgAAAAAAAAAAAAAAAAAAAAAAAAAsLRj4CKUuNiGYE9sfLjjEu+IW6ySQVK4',
    [2, 3, 3],
    [99, 180, 176, 184, 148, 34, 79, 96, 134, 227, 184, 124, 91, 136, 239, 82, 65, 146],
  ],
  [
    '32 bits by masks',
    'Qk1aAAAAAAAAAEIAAAAoAAAAAwAAAAIAAAABACAAAwAAABgAAAAAAAAAAAAAAAAAAAAAAAAAAAD/AAD/AAD/AAAAsLRj4CKUuNiGYE9sfLjjEu+IW6ySQVK4',
    [2, 3, 3],
    [227, 184, 124, 91, 136, 239, 82, 65, 146, 99, 180, 176, 184, 148, 34, 79, 96, 134],
  ],
  [
    '16 bits by masks',
    'Qk1SAAAAAAAAAEIAAAAoAAAABAAAAAIAAAABABAAAwAAABAAAAAAAAAAAAAAAAAAAAAAAAAAAPgAAOAHAAAfAAAASf8Tzhj7KGF/rznzhKYe1w==',
    [2, 4, 3],
    [172, 238, 255, 246, 101, 205, 164, 210, 32, 213, 226, 246, 255, 234, 74, 205, 194, 156, 255, 97, 197, 98, 36, 65],
  ],
  [
    '16 bits',
    'Qk1GAAAAAAAAADYAAAAoAAAABAAAAAIAAAABABAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAA11VHQ9dS7yDETsxhHDH/Og==',
    [2, 4, 3],
    [156, 180, 32, 197, 115, 98, 98, 65, 230, 115, 189, 255, 172, 115, 189, 131, 213, 57, 164, 180, 189, 65, 57, 123],
  ],
  [
    'a palette of eight',
    'Qk1uAAAAAAAAAFYAAAAoAAAABQAAAAMAAAABAAgAAAAAABgAAADEDgAAxA4AAAgAAAAIAAAAJM2wAOmm0ACHosoApM82APibgAANS4MAigXcADglDQAFBgcFBwAAAAIAAAMDAAAAAgUHAQQAAAA=',
    [3, 5, 3],
    [
      202, 162, 135, 131, 75, 13, 13, 37, 56, 208, 166, 233, 128, 155, 248, 202, 162, 135, 176, 205, 36, 176, 205, 36,
      54, 207, 164, 54, 207, 164, 131, 75, 13, 220, 5, 138, 13, 37, 56, 131, 75, 13, 13, 37, 56,
    ],
  ],
  [
    '4 bits',
    'Qk1+AAAAAAAAAHYAAAAoAAAABQAAAAIAAAABAAQAAAAAAAgAAAAAAAAAAAAAAAAAAAAAAAAAmIFWwmRU40M6tp8MFWDVZslRPcrgFA6rVpIm3HPly7Q7xA2RZ/8y8heflOZM5qzjM8LxDF2iG4Khw+1ocHn0Mn8MbPKeWf6a',
    [2, 5, 3],
    [
      50, 255, 103, 237, 195, 161, 14, 20, 224, 50, 255, 103, 244, 121, 112, 203, 229, 115, 244, 121, 112, 86, 129, 152,
      241, 194, 51, 38, 146, 86,
    ],
  ],
  [
    '8 bits, three colours',
    'Qk1SAAAAAAAAAEIAAAAoAAAABQAAAAIAAAABAAgAAAAAABAAAAAAAAAAAAAAAAMAAAAAAAAA8gR11cFof2uHOskTAQACAgICAgAAAAICAgICAg==',
    [2, 5, 3],
    [
      117, 4, 242, 117, 4, 242, 201, 58, 135, 201, 58, 135, 201, 58, 135, 127, 104, 193, 117, 4, 242, 201, 58, 135, 201,
      58, 135, 201, 58, 135,
    ],
  ],
  [
    'black and white',
    'Qk1KAAAAAAAAAD4AAAAoAAAABQAAAAMAAAABAAEAAAAAAAwAAADEDgAAxA4AAAIAAAACAAAAAAAAAP///wAQAAAA0AAAAJgAAAA=',
    [3, 5, 1],
    [255, 0, 0, 255, 255, 255, 255, 0, 255, 0, 0, 0, 0, 255, 0],
  ],
  [
    "OS/2's header",
    'Qk0yAAAAAAAAABoAAAAMAAAAAwACAAEAGAADHt0V+9P1XCaE+F7jYtI6elM75M0j7Pg=',
    [2, 3, 3],
    [210, 98, 227, 83, 122, 58, 205, 228, 59, 221, 30, 3, 211, 251, 21, 38, 92, 245],
  ],
];

async function decoded(from: Uint8Array, channels?: 1): Promise<{ shape: readonly number[]; pixels: number[] }> {
  const { shape, pixels } = await (await openDecoder({ channels }))({ name: 'a picture', from });
  return { shape, pixels: [...pixels] };
}

describe('a BMP of', () => {
  it.each(bitmaps)('%s has the numbers of PIL', async (_name, file, shape, pixels) => {
    expect(await decoded(Buffer.from(file, 'base64'))).toEqual({ shape, pixels });
  });
});

const [[, first] = ['', ''], [, second] = ['', '']] = bitmaps;

describe('a BMP', () => {
  it('becomes grey as every other image does', async () => {
    expect((await decoded(Buffer.from(first, 'base64'), 1)).pixels).toEqual([
      175, 68, 13, 186, 158, 166, 191, 163, 175, 138, 93, 84, 65, 94, 19,
    ]);
  });

  it.each<[string, (file: Buffer) => Buffer, string]>([
    ['is cut off', (file) => file.subarray(0, 70), 'cut off: 70 bytes; 78 were wanted'],
    ['has half a header', (file) => file.subarray(0, 30), 'its header is cut off or damaged; a whole BMP was wanted'],
    [
      'is compressed',
      (file) => (file.writeUInt32LE(1, 30), file),
      'a BMP compressed by RLE8; an uncompressed one, or PNG, was wanted',
    ],
    [
      'has bits that no BMP has',
      (file) => (file.writeUInt16LE(13, 28), file),
      'a BMP of 3 x 2 pixels of 13 bits; some pixels of 1, 4, 8, 16, 24, 32 bits were wanted',
    ],
  ])('that %s is refused', async (_name, spoil, wanted) => {
    await expect(decoded(spoil(Buffer.from(second, 'base64')))).rejects.toThrow(`a picture: ${wanted}`);
  });
});
