import { describe, expect, it } from 'vitest';
import { Labels } from '../../../worker/teachers/labels.js';

/** An ensemble whose label for a sample [a, b] is [a + b, a - b]; it remembers what it was asked for. */
function fakeEnsemble() {
  const asked: number[][] = [];
  return {
    asked,
    classes: 2,
    async softLabels(inputs: Float32Array, rows: number): Promise<Float32Array> {
      asked.push([...inputs]);
      return Float32Array.from({ length: rows * 2 }, (_, i) => {
        const [a = 0, b = 0] = inputs.subarray(i - (i % 2));
        return i % 2 === 0 ? a + b : a - b;
      });
    },
  };
}
const samples = (...ids: number[]) => Float32Array.from(ids.flatMap((id) => [id, id / 10]));

describe('Labels', () => {
  it('computes each sample once, wherever it comes again', async () => {
    const ensemble = fakeEnsemble();
    const labels = new Labels({ ensemble, cache: true });
    const first = await labels.softLabels(Uint32Array.of(10, 20), samples(10, 20));
    const second = await labels.softLabels(Uint32Array.of(20, 30, 10), samples(20, 30, 10));
    expect([...first]).toEqual([11, 9, 22, 18]);
    expect([...second]).toEqual([22, 18, 33, 27, 11, 9]);
    expect(ensemble.asked).toEqual([[10, 1, 20, 2], [30, 3]]);
    expect(labels.kept).toBe(3);
  });

  it('asks for nothing when all is kept', async () => {
    const ensemble = fakeEnsemble();
    const labels = new Labels({ ensemble, cache: true });
    await labels.softLabels(Uint32Array.of(1), samples(1));
    await labels.softLabels(Uint32Array.of(1), samples(1));
    expect(ensemble.asked).toHaveLength(1);
  });

  it('keeps the views of a sample apart', async () => {
    const labels = new Labels({ ensemble: fakeEnsemble(), cache: true });
    await labels.softLabels(Uint32Array.of(1), Float32Array.of(1, 0), 0);
    expect([...(await labels.softLabels(Uint32Array.of(1), Float32Array.of(5, 0), 1))]).toEqual([5, 5]);
    expect([...(await labels.softLabels(Uint32Array.of(1), Float32Array.of(9, 9), 0))]).toEqual([1, 1]);
  });

  it('computes always when the cache is off', async () => {
    const ensemble = fakeEnsemble();
    const labels = new Labels({ ensemble, cache: false });
    await labels.softLabels(Uint32Array.of(1), samples(1));
    await labels.softLabels(Uint32Array.of(1), samples(1));
    expect([ensemble.asked.length, labels.kept]).toEqual([2, 0]);
  });

  it('keeps no more than its bytes allow, and still answers', async () => {
    const ensemble = fakeEnsemble();
    const labels = new Labels({ ensemble, cache: true, maxBytes: 16 });
    await labels.softLabels(Uint32Array.of(1, 2, 3), samples(1, 2, 3));
    expect(labels.kept).toBe(2);
    expect((await labels.softLabels(Uint32Array.of(3), samples(3)))[0]).toBeCloseTo(3.3, 6);
  });

  it('holds on to labels over more than one block', async () => {
    const labels = new Labels({ ensemble: fakeEnsemble(), cache: true });
    const ids = Uint32Array.from({ length: 3000 }, (_, i) => i);
    const once = await labels.softLabels(ids, samples(...ids));
    expect(await labels.softLabels(ids, new Float32Array(6000))).toEqual(once);
  });
});
