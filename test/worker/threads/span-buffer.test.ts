import { describe, expect, it } from 'vitest';
import { spanLimits } from '../../../shared/trace/spans.js';
import { SpanBuffer } from '../../../worker/threads/span-buffer.js';

const place = { step: 1, microBatch: 2, lease: 3 };

describe('spans that are kept', () => {
  it('come out once, in order', () => {
    const buffer = new SpanBuffer();
    expect(buffer.isEmpty).toBe(true);
    buffer.add('label', 5, 7, place);
    buffer.addAll([['wait', 7, 1, null, null, null]], 4);
    expect(buffer.take()).toEqual({
      spans: [
        ['label', 5, 2, 1, 2, 3],
        ['wait', 7, 1, null, null, null],
      ],
      lost: 4,
    });
    expect(buffer.take()).toEqual({ spans: [], lost: 0 });
  });

  it('are bounded, and those beyond are counted', () => {
    const buffer = new SpanBuffer();
    for (let i = 0; i < spanLimits.kept + 10; i++) buffer.add('label', i, i, place);
    buffer.addAll(new Array(5).fill(['wait', 7, 1, null, null, null]), 2);
    const { spans, lost } = buffer.take();
    expect([spans.length, spans.at(-1)?.[1], lost]).toEqual([spanLimits.kept, spanLimits.kept - 1, 17]);
  });
});
