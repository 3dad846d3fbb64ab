import { describe, expect, it } from 'vitest';
import { forwardInFixedRows } from '../../../../worker/compute/teachers/fixed-rows.js';
import type { ForwardResult, InputValues, WantedTaps } from '../../../../worker/compute/teachers/formats/teacher.js';

/** Gives [2a, 2a + 1] for a sample [a]; remembers the shapes and inputs that it was given. */
function doubling(fixedRows: number | null) {
  const asked: { shape: number[]; inputs: number[] }[] = [];
  return {
    asked,
    fixedRows,
    async forward(given: readonly InputValues[], taps: WantedTaps = []): Promise<ForwardResult> {
      const [{ values: inputs, shape } = { values: new Float32Array(0), shape: [] }] = given;
      asked.push({ shape: [...shape], inputs: [...inputs] });
      const output = Float32Array.from([...inputs].flatMap((a) => [2 * a, 2 * a + 1]));
      return {
        output,
        taps: new Map((taps === 'all' ? [] : taps).map((name) => [name, { values: inputs.slice(), shape: [1] }])),
      };
    },
  };
}

const feed = { of: (values: Float32Array, rows: number): InputValues[] => [{ values, shape: [rows, 1] }] };

describe('forwardInFixedRows', () => {
  it('runs the same number of rows every time, the last padded with its last sample', async () => {
    const teacher = doubling(null);
    const { output: out } = await forwardInFixedRows(teacher, Float32Array.of(1, 2, 3, 4, 5), {
      rows: 5,
      feed,
      fixedRows: 3,
    });
    expect([...out]).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(teacher.asked).toEqual([
      { shape: [3, 1], inputs: [1, 2, 3] },
      { shape: [3, 1], inputs: [4, 5, 5] },
    ]);
  });

  it('joins the rows of taps and drops the padding', async () => {
    const { taps } = await forwardInFixedRows(doubling(null), Float32Array.of(1, 2, 3, 4, 5), {
      rows: 5,
      feed,
      fixedRows: 3,
      taps: ['x'],
    });
    expect([...taps]).toEqual([['x', { values: Float32Array.of(1, 2, 3, 4, 5), shape: [1] }]]);
  });

  it('pads a single row', async () => {
    const teacher = doubling(null);
    expect([
      ...(await forwardInFixedRows(teacher, Float32Array.of(7), { rows: 1, feed, fixedRows: 4 })).output,
    ]).toEqual([14, 15]);
    expect(teacher.asked).toEqual([{ shape: [4, 1], inputs: [7, 7, 7, 7] }]);
  });

  it('takes the number of rows that a model insists on', async () => {
    const teacher = doubling(2);
    await forwardInFixedRows(teacher, Float32Array.of(1, 2, 3), { rows: 3, feed, fixedRows: 16 });
    expect(teacher.asked.map((call) => call.shape)).toEqual([
      [2, 1],
      [2, 1],
    ]);
  });
});
