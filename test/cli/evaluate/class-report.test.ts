import { describe, expect, it } from 'vitest';
import { withIntervals } from '../../../cli/evaluate/class-report.js';
import { evaluationText } from '../../../cli/evaluate/evaluate.js';
import { wilsonInterval } from '../../../shared/figures/statistics.js';

const report = withIntervals({
  samples: 10,
  accuracy: 0.8,
  top5: 1,
  loss: 0.5,
  calibrationError: 0.1,
  confusion: [
    [5, 1, 0],
    [1, 3, 0],
    [0, 0, 0],
  ],
});

describe('withIntervals', () => {
  it('gives the interval of the accuracy', () => {
    expect(report.accuracyInterval).toEqual(wilsonInterval(8, 10));
  });
  it('gives each class its accuracy, and none to a class without samples', () => {
    expect(report.perClass).toEqual([
      { samples: 6, accuracy: 5 / 6, interval: wilsonInterval(5, 6) },
      { samples: 4, accuracy: 3 / 4, interval: wilsonInterval(3, 4) },
      { samples: 0, accuracy: null, interval: { low: 0, high: 1 } },
    ]);
  });
});

describe('evaluationText', () => {
  it('says the intervals, the classes and how the other model compares', () => {
    const text = evaluationText('m', {
      ...report,
      against: { onlyFirst: 1, onlySecond: 9, difference: -0.08, p: 0.021484375 },
    });
    expect(text).toContain('accuracy 80.00 % (95 %: 49.02 % to 94.33 %)');
    expect(text).toContain('no sample of, and none taken for, 1 of 3 classes: 2');
    expect(text).toContain(
      'against the other model -8.00 points: 1 sample right here alone, 9 there alone; p = 0.0215 (exact McNemar test)',
    );
  });

  it('leaves out classes of which there is no sample and no prediction, and names ten of them', () => {
    const confusion = Array.from({ length: 14 }, (_, row) =>
      Array.from({ length: 14 }, (_, column) => (row === 3 && column > 10 && column < 13 ? column : 0)),
    );
    const text = evaluationText('m', withIntervals({ ...report, confusion }));
    expect(text.split('\n').slice(2)).toEqual([
      'class 3: 0.00 % (95 %: 0.00 % to 14.31 %) of 23',
      'class 11: no samples',
      'class 12: no samples',
      'no sample of, and none taken for, 11 of 14 classes: 0, 1, 2, 4, 5, 6, 7, 8, 9, 10 and 1 more',
      'confusion (rows: label, columns: prediction)',
      '         3   11   12',
      '    3    0   11   12',
      '   11    0    0    0',
      '   12    0    0    0',
    ]);
  });
});
