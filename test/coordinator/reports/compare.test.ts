import { describe, expect, it } from 'vitest';
import { compareSeeds, comparisonText, type CompareOptions } from '../../../coordinator/reports/compare.js';
import type { Summary } from '../../../coordinator/reports/summary.js';
import type { Figures } from '../../../shared/figures/figures.js';

const summaryOf = (student: Figures, baseline?: Figures): Summary => ({
  run: 'r',
  name: 'n',
  recipeDigest: 'd',
  digest: 'w',
  steps: 1,
  samples: 1,
  seconds: 1,
  student: { ...student, parameters: 1 },
  teachers: [],
  ...(baseline === undefined ? {} : { baseline: { ...baseline, parameters: 1, digest: 'b' } }),
  leases: { granted: 1, repeated: 0, refused: 0 },
  log: { bytes: 0, seconds: 0 },
  workers: [],
});
const optionsOf = (run: CompareOptions['run'], seeds = 2): CompareOptions => ({ firstSeed: 7, seeds, out: 'o', run });

describe('a comparison over seeds', () => {
  it('runs each seed in its own folder, and says what they say together', async () => {
    const accuracies = new Map([
      ['o/seed-7', [0.75, 0.5]],
      ['o/seed-8', [1, 0.5]],
    ]);
    const comparison = await compareSeeds(
      optionsOf(async (_seed, folder) => {
        const [student, baseline] = accuracies.get(folder) ?? [];
        return summaryOf({ accuracy: student }, { accuracy: baseline });
      }),
    );
    expect(comparison).toMatchObject({
      figure: 'accuracy',
      seeds: [
        { seed: 7, alone: 0.5, distilled: 0.75, folder: 'o/seed-7' },
        { seed: 8, alone: 0.5, distilled: 1, folder: 'o/seed-8' },
      ],
      difference: { mean: 0.375 },
    });
    expect(comparisonText(comparison).split('\n')).toEqual([
      '  seed  student alone  distilled  difference',
      '     7        50.00 %    75.00 %      +25.00',
      '     8        50.00 %   100.00 %      +50.00',
      '',
      'student alone 50.00 % (deviation 0.00), distilled 87.50 % (deviation 17.68)',
      'difference +37.50 points; 95 % interval -121.33 to +196.33, p = 0.20 (paired t-test over 2 seeds)',
    ]);
  });

  it('names a figure that is not the accuracy, and does not judge by one seed', async () => {
    const run = async (): Promise<Summary> => summaryOf({ r2: 0.25 }, { r2: 0.5 });
    const lines = comparisonText(await compareSeeds(optionsOf(run, 1))).split('\n');
    expect([lines[0], lines.at(-1)]).toEqual([
      'R2, in percent',
      'difference -25.00 points; one seed says nothing of chance',
    ]);
  });

  it.each([
    ['no baseline', summaryOf({ accuracy: 1 })],
    ['no figure', summaryOf({}, { accuracy: 1 })],
  ])('wants a figure of both students: %s', async (_case, summary) => {
    await expect(compareSeeds(optionsOf(async () => summary))).rejects.toThrow(
      'o/seed-7: its summary has no figure of both students; labelled evaluation data wanted',
    );
  });
});
