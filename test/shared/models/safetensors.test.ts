import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../shared/errors.js';
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from '../../../shared/models/safetensors.js';

/** A file of this header and so many zero bytes of data. */
function fileOf(header: unknown, dataBytes: number, claimed?: number): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(claimed ?? text.length), true);
  file.set(text, 8);
  return file;
}

const tensor = (from: number, to: number, shape: unknown = [(to - from) / 4], dtype = 'F32'): object => ({
  dtype,
  shape,
  data_offsets: [from, to],
});

describe('safetensors', () => {
  it('decodes what it encodes, in order', () => {
    const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });
    fc.assert(
      fc.property(
        fc.dictionary(
          fc
            .string({ minLength: 1, maxLength: 20 })
            .filter((name) => name !== '__metadata__' && name !== '__proto__' && !/^\d+$/.test(name)),
          shapes,
        ),
        (layout) => {
          const tensors = new Map<string, NamedTensor>(
            Object.entries(layout).map(([name, shape]) => [
              name,
              { shape, values: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i - 1.5) },
            ]),
          );
          const decoded = decodeSafetensors(encodeSafetensors(tensors), 'x');
          expect([...decoded]).toEqual([...tensors]);
        },
      ),
    );
  });

  it('writes the bytes that the format prescribes', () => {
    const bytes = encodeSafetensors(new Map([['a/kernel', { shape: [1, 2], values: Float32Array.of(1, -2) }]]), {
      made: 'by hand',
    });
    const text = '{"__metadata__":{"made":"by hand"},"a/kernel":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}';
    const headerBytes = Math.ceil(text.length / 8) * 8;
    expect(Number(new DataView(bytes.buffer).getBigUint64(0, true))).toBe(headerBytes);
    expect(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes))).toBe(text.padEnd(headerBytes));
    expect([...bytes.subarray(8 + headerBytes)]).toEqual([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
  });

  it('reads half, brain and double floats', () => {
    const file = fileOf(
      { h: tensor(0, 8, [4], 'F16'), b: tensor(8, 12, [2], 'BF16'), d: tensor(12, 20, [1], 'F64') },
      20,
    );
    const view = new DataView(file.buffer, file.length - 20);
    [0x3c00, 0xc100, 0x0001, 0x7c00].forEach((bits, i) => view.setUint16(2 * i, bits, true));
    [0x3f80, 0xc0a0].forEach((bits, i) => view.setUint16(8 + 2 * i, bits, true));
    view.setFloat64(12, 0.1, true);
    expect([...decodeSafetensors(file, 'x')].map(([name, { values }]) => [name, [...values]])).toEqual([
      ['h', [1, -2.5, 2 ** -24, Infinity]],
      ['b', [1, -5]],
      ['d', [Math.fround(0.1)]],
    ]);
  });

  it.each([
    ['an empty file', new Uint8Array(0), 'it has 0 bytes'],
    ['a header longer than the file', fileOf({}, 0, 500), 'it is cut off'],
    ['a header of absurd length', fileOf({}, 0, 2 ** 52), 'the limit is'],
    ['a header that is no JSON', fileOf('{"a"', 0), 'no JSON object'],
    ['a header that is a list', fileOf('[1, 2, 3]', 0), 'no JSON object'],
    ['data that is cut off', fileOf({ a: tensor(0, 16) }, 12), 'need 16 bytes of data, it has 12'],
    ['data that nothing names', fileOf({ a: tensor(0, 8) }, 12), 'need 8 bytes of data, it has 12'],
    ['a gap', fileOf({ a: tensor(0, 4), b: tensor(8, 12) }, 12), 'tensor b starts at byte 8'],
    ['an overlap', fileOf({ a: tensor(0, 8), b: tensor(4, 12) }, 12), 'tensor b starts at byte 4'],
    ['a shape that needs more', fileOf({ a: tensor(0, 8, [3]) }, 8), 'needs 12'],
    ['a shape of huge dimensions', fileOf({ a: tensor(0, 8, [2 ** 31, 2 ** 31]) }, 8), 'tensor a has 8 bytes'],
    ['a negative dimension', fileOf({ a: tensor(0, 8, [-2]) }, 8), 'tensor a: shape.0'],
    ['an unknown type', fileOf({ a: tensor(0, 8, [2], 'Q4') }, 8), 'tensor a: dtype'],
    ['an unknown field', fileOf({ a: { ...tensor(0, 8), extra: 1 } }, 8), 'tensor a:'],
    ['a name that is too long', fileOf({ ['n'.repeat(600)]: tensor(0, 4) }, 4), 'name has 600 characters'],
  ])('refuses %s', (_, bytes, message) => {
    const decode = (): unknown => decodeSafetensors(bytes, 'some.safetensors');
    expect(decode).toThrow(UserError);
    expect(decode).toThrow(message);
    expect(decode).toThrow(/^some\.safetensors: .*; a safetensors file was wanted$/);
  });

  it('never dies of anything but a UserError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat({ max: 40 }), (bytes, length) => {
        const file = Uint8Array.from([length, 0, 0, 0, 0, 0, 0, 0, ...bytes]);
        try {
          decodeSafetensors(file, 'x');
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
    );
  });
});
