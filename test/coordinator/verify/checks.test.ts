import { describe, expect, it } from 'vitest';
import { checkJournal } from '../../../coordinator/verify/checks.js';
import { commitLine } from '../helpers.js';

describe("a journal's counts", () => {
  const lines = [
    { type: 'generation', generation: 1, atMs: 0, step: 0 } as const,
    commitLine(0, { counts: { response: 5 }, sums: { samples: 4 } }),
  ];

  it('are at most the samples, unless terms count weights or positions', () => {
    expect(checkJournal(lines)).toMatchObject({
      isSound: false,
      text: expect.stringContaining('response counts 5 of 4 samples'),
    });
    expect(checkJournal(lines, false).isSound).toBe(true);
  });
});
