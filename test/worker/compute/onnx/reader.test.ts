import { describe, expect, it } from 'vitest';
import { bytesIn, fieldsIn, numbersIn, textIn } from '../../../../worker/compute/onnx/reader.js';

const bytes = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(' ', ''), 'hex');

describe('fields of a protobuf message', () => {
  it('are numbers, texts and messages in their order; those of fixed width are passed over', () => {
    // 1: 300, 2: "no", 3: a double, 4: a float, 2: "w"
    const message = bytes('08ac02 12026e6f 190000000000000000 2500000000 120177');
    expect(fieldsIn(message).map(({ number }) => number)).toEqual([1, 2, 2]);
    expect(fieldsIn(message)[0]?.value).toBe(300);
    expect(textIn(message, 2), 'the last of several, as protobuf reads it').toBe('w');
    expect(textIn(message, 9)).toBe('');
  });

  it('are views: nothing is copied', () => {
    const message = bytes('12026e6f');
    expect(bytesIn(message, 2)[0]?.buffer).toBe(message.buffer);
  });

  it('are several numbers, one each or packed', () => {
    expect([numbersIn(7), numbersIn(bytes('07ac02'))]).toEqual([[7], [7, 300]]);
  });

  it.each([
    ['a length beyond the end', '12056e6f'],
    ['a number that is cut short', '08ac'],
    ['a field of no number', '00'],
    ['a wire type that there is none of', '0f'],
  ])('are refused with %s', (_, hex) => {
    expect(() => fieldsIn(bytes(hex))).toThrow(RangeError);
    expect(() => fieldsIn(bytes(hex))).toThrow(/not a protobuf message/);
  });
});
