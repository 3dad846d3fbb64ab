import { describe, expect, it } from 'vitest';
import { codecOf, type Precision } from '../../../shared/labels/precision.js';
import { putBits } from '../../../shared/labels/bits.js';
import { randomStream } from '../../../shared/random.js';

/** Why a row of these bytes can be no label of three classes. */
function faultOf(bytes: ArrayBuffer, precision: Precision, isDistribution = true, classes = 3): string | null {
  const codec = codecOf(precision, { classes, isDistribution });
  const memory = new ArrayBuffer(codec.rowBytes);
  new Uint8Array(memory).set(new Uint8Array(bytes));
  return codec.open(memory, 0, 1).fault(0);
}
const float = { name: 'float32' } as const;
const half = { name: 'float16' } as const;
const top = { name: 'top-k', k: 2 } as const;
const logs = (...p: number[]): ArrayBuffer => Float32Array.from(p, Math.log).buffer;
/** log 1/2 and log 1/4 as halves. */
const [logHalf, logQuarter] = [0xb98c, 0xbd8c];

/** A row of two classes of three: their unary bits, and the level of each. */
function topRow(highs: number, levels: readonly [number, number], { tail = 200, behind = 0 } = {}): ArrayBuffer {
  const bytes = new Uint8Array(5);
  putBits(bytes, 0, { width: 9, value: tail });
  putBits(bytes, 14, { width: 4, value: highs });
  levels.forEach((value, i) => putBits(bytes, 18 + 9 * i, { width: 9, value }));
  putBits(bytes, 36, { width: 4, value: behind });
  return bytes.buffer;
}

describe('a row of soft labels', () => {
  it.each<[string, ArrayBuffer, Precision]>([
    ['probabilities that sum to 1', logs(0.5, 0.25, 0.25), float],
    ['a class that is as good as impossible', Float32Array.of(0, -1e5, -1e5).buffer, float],
    ['a half for each number', Uint16Array.of(logHalf, logQuarter, logQuarter, 0).buffer, half],
    ['the likeliest classes and a tail', topRow(0b1001, [80, 0]), top],
  ])('can be %s', (_case, bytes, precision) => {
    expect(faultOf(bytes, precision)).toBeNull();
  });

  it.each<[string, ArrayBuffer, Precision, string]>([
    ['no number', logs(Number.NaN, 1, 1), float, 'a value that is not finite'],
    ['of a probability of 0 by its log', logs(0, 0.5, 0.5), float, 'a value that is not finite'],
    ['infinite as a half', Uint16Array.of(0x7c00, 0, 0, 0).buffer, half, 'a value that is not finite'],
    ['of 1e30', Float32Array.of(1e30, 0, 0).buffer, float, 'a value of 1.00e+30; at most 1000000000 was wanted'],
    ['of -1e30', Float32Array.of(0, 0, -1e30).buffer, float, 'a value of -1.00e+30; at most 1000000000 was wanted'],
    ['of a probability above 1', logs(1.1, 1e-9, 1e-9), float, 'a probability of 1.10; at most 1 was wanted'],
    ['that sums to more', logs(0.5, 0.5, 0.001), float, 'probabilities that sum to 1.00100; 1 was wanted'],
    ['that sums to less', logs(0.5, 0.25, 0.24), float, 'probabilities that sum to 0.990000; 1 was wanted'],
    [
      'that sums to less, in halves',
      Uint16Array.of(logHalf, logHalf, 0xc029, 0).buffer,
      half,
      'probabilities that sum to 1.12',
    ],
    ['of a class too few', topRow(0b1000, [0, 0]), top, '1 classes; 2 were wanted'],
    ['of a class too many', topRow(0b1011, [0, 0]), top, '3 classes; 2 were wanted'],
    ['without a likeliest class', topRow(0b1001, [80, 1]), top, 'no class that is the likeliest'],
    ['with bits behind its end', topRow(0b1001, [80, 0], { behind: 2 }), top, 'bits behind its end'],
    ['of what was no distribution', new Uint8Array(5).fill(255).buffer, top, 'values that are no distribution'],
  ])('cannot be %s', (_case, bytes, precision, fault) => {
    expect(faultOf(bytes, precision)).toContain(fault);
  });

  it('may have any values up to the bound where it is no distribution', () => {
    expect(faultOf(Float32Array.of(3, -1e9, 1e9).buffer, float, false)).toBeNull();
    expect(faultOf(Float32Array.of(3, -1.1e9, 0).buffer, float, false)).toContain('a value of -1.10e+9');
  });

  it.each<Precision>([float, half, { name: 'top-k', k: 7 }, { name: 'top-k', k: 1000 }])(
    'is never refused where a softmax made it, of few classes or many: %j',
    (precision) => {
      for (const classes of [1, 2, 1000, 30_000])
        for (const spread of [0, 1, 30, 1e4]) {
          const random = randomStream(['softmax', classes, spread]);
          const logits = Float64Array.from({ length: classes }, () => spread * (random.float() - 0.5));
          const max = logits.reduce((a, b) => Math.max(a, b), -Infinity);
          const log = max + Math.log(logits.reduce((sum, u) => sum + Math.exp(u - max), 0));
          const codec = codecOf(precision, { classes, isDistribution: true });
          const rows = codec.open(new ArrayBuffer(codec.rowBytes), 0, 1);
          rows.write(
            0,
            Float32Array.from(logits, (u) => u - log),
            0,
          );
          expect([classes, spread, rows.fault(0)]).toEqual([classes, spread, null]);
        }
    },
  );
});
