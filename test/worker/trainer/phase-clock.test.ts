import { describe, expect, it } from 'vitest';
import { PhaseClock } from '../../../worker/trainer/phase-clock.js';

const place = { step: 3, microBatch: 1, lease: 7 };

describe('the clock of phases', () => {
  it('keeps spans of a run that is traced, with what they are for', async () => {
    const clock = new PhaseClock(() => true);
    await clock.time('labels', () => undefined, place);
    await clock.time('student', () => undefined, { ...place, name: 'evaluate' });
    await clock.time(
      'wait',
      () => 5,
      (step) => ({ step, microBatch: null, lease: null }),
    );
    await clock.time(
      'wait',
      () => 5,
      () => null,
    );
    await clock.time('load', () => undefined);
    const failing = clock.time('reduce', () => Promise.reject(new Error('x')), place);
    await expect(failing).rejects.toThrow('x');
    const { spans, lost } = clock.takeSpans() ?? { spans: [], lost: -1 };
    expect(spans.map(([name, , , ...at]) => [name, ...at])).toEqual([
      ['label', 3, 1, 7],
      ['evaluate', 3, 1, 7],
      ['wait', 5, null, null],
      ['wait', null, null, null],
      ['load', null, null, null],
      ['reduce', 3, 1, 7],
    ]);
    expect(lost).toBe(0);
    // One after the other.
    spans.slice(1).forEach(([, startMs], i) => {
      const [, before = 0, durationMs = 0] = spans[i] ?? [];
      expect(startMs).toBeGreaterThanOrEqual(before + durationMs - 1e-6);
    });
    expect(clock.takeSpans()).toBeNull();
  });

  it('keeps none of another run, and counts seconds all the same', async () => {
    const clock = new PhaseClock(() => false);
    await clock.time('labels', () => undefined, place);
    expect(clock.takeSpans()).toBeNull();
    expect(Object.keys(clock.take())).toEqual(['labels']);
  });
});
