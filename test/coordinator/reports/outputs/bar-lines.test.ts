import { describe, expect, it } from 'vitest';
import { barLines, durationText, type ShownProgress } from '../../../../coordinator/reports/outputs/bar-lines.js';
import { paintFor } from '../../../../shared/colors.js';

const progress: ShownProgress = {
  ...{ step: 250, totalSteps: 1000, epoch: 0, epochs: 4, samples: 8000, workers: 2 },
  ...{ terms: { crossEntropy: 1.25, response: 0.52341 }, samplesPerSecond: 1234.4, secondsLeft: 200.4 },
  labels: { kept: 40_000, samples: 60_000 },
};
const plain = paintFor(false);

describe('the lines of a bar', () => {
  it('say where the run stands, and its terms', () => {
    expect(barLines(progress, 140, plain)).toEqual([
      `${'█'.repeat(10)}${'░'.repeat(30)} 250/1000 steps | 3 min 21 s left | 1234 samples/s | 2 workers | 40000 of 60000 labels kept`,
      'crossEntropy 1.250, response 0.5234',
    ]);
  });

  it.each([200, 100, 80, 60, 40, 20, 10, 3, 1, 0])('fit into %d columns', (columns) => {
    for (const line of barLines(progress, columns, plain))
      expect(line.length).toBeLessThanOrEqual(Math.max(0, columns - 1));
  });

  it('leave out from the end what has no room', () => {
    expect(barLines(progress, 80, plain)[0]).toMatch(
      /^█+░+ 250\/1000 steps \| 3 min 21 s left \| 1234 samples\/s \| 2 workers$/,
    );
    expect(barLines(progress, 40, plain)[0]).toMatch(/^█+░+ 250\/1000 steps$/);
  });

  it('say when all labels are kept, and nothing of them where there are none', () => {
    const of = (labels: ShownProgress['labels']): string =>
      barLines({ ...progress, labels, workers: 1 }, 140, plain)[0];
    expect(of({ kept: 6, samples: 6 })).toMatch(/\| 1 worker \| all labels kept$/);
    expect(of({ kept: 0, samples: 0 })).toMatch(/\| 1 worker$/);
    expect(of(null)).toMatch(/\| 1 worker$/);
  });

  it.each([
    [0.2, '1 s'],
    [59.1, '1 min 0 s'],
    [3599, '59 min 59 s'],
    [3600, '1 h 0 min'],
    [18_601, '5 h 11 min'],
  ])('tell %d seconds', (seconds, text) => expect(durationText(seconds)).toBe(text));
});
