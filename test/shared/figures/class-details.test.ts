import { describe, expect, it } from 'vitest';
import {
  allDetailSums,
  classDetails,
  classDetailsSchema,
  detailSums,
  mostDetailedClasses,
} from '../../../shared/figures/class-details.js';
import { calibrationSums } from '../../../shared/figures/classes.js';
import { classifierReport } from '../../../shared/figures/classification.js';
import { figuresByTask } from '../../../shared/figures/tasks.js';
import type { GroundTruth } from '../../../shared/figures/task-figures.js';
import { randomStream } from '../../../shared/random.js';
import { addSums } from '../../../shared/replica/reduction/contribution.js';

const width = 4;
const truthOf = (labels: readonly number[], classes = width): GroundTruth => ({
  ...{ rows: labels.length, labels: Int32Array.from(labels), vectors: new Float32Array(), width: classes },
  ...{ positions: 1, means: [] },
});

describe('the details of an evaluation', () => {
  const random = randomStream(['details']);
  const rows = 60;
  const labels = Array.from({ length: rows }, (_, i) => (i % 5) - 1).map((label) => (label === 3 ? 0 : label));
  const logits = Float32Array.from({ length: rows * width }, () => random.float() * 4);
  const { studentSums } = figuresByTask.classes;
  const partly = (from: number, to: number): ReturnType<typeof studentSums> =>
    studentSums(truthOf(labels.slice(from, to)), logits.subarray(from * width, to * width), new Map());
  const whole = classDetails(partly(0, rows), width);

  it('are those that eval finds from all logits at once', () => {
    const report = classifierReport(logits, Int32Array.from(labels), width);
    expect(whole?.confusion).toEqual(report.confusion);
    const error = whole?.reliability.reduce(
      (sum, { samples, confidence, accuracy }) => sum + (samples / report.samples) * Math.abs(confidence - accuracy),
      0,
    );
    expect(error).toBeCloseTo(report.calibrationError, 12);
  });

  it('add up to the same from any parts, in any order, bit for bit but for the confidence', () => {
    const [a, b, c] = [partly(0, 7), partly(7, 31), partly(31, rows)];
    const other = classDetails(addSums(c, addSums(b, a)), width);
    expect(other?.confusion).toEqual(whole?.confusion);
    expect(other?.perClass).toEqual(whole?.perClass);
    expect(other?.reliability.map(({ samples, accuracy }) => [samples, accuracy])).toEqual(
      whole?.reliability.map(({ samples, accuracy }) => [samples, accuracy]),
    );
  });

  it('are these by hand: two of class 0, one taken for 2; one of class 2; none of class 1', () => {
    const sums = studentSums(
      truthOf([0, 0, 2, -1], 3),
      Float32Array.from([9, 0, 0, /**/ 0, 0, 9, /**/ 0, 0, 0.1, /**/ 0, 9, 0]),
      new Map(),
    );
    expect(sums).toMatchObject({ 'confusion.0.0': 1, 'confusion.0.2': 1, 'confusion.2.2': 1 });
    expect(Object.keys(sums).filter((name) => name.startsWith('confusion.1'))).toEqual([]);
    expect(classDetails(sums, 3)).toEqual({
      confusion: [
        [1, 0, 1],
        [0, 0, 0],
        [0, 0, 1],
      ],
      perClass: [
        { samples: 2, accuracy: 0.5 },
        { samples: 0, accuracy: null },
        { samples: 1, accuracy: 1 },
      ],
      reliability: [
        { from: 5 / 15, to: 6 / 15, samples: 1, confidence: expect.closeTo(0.3559, 4), accuracy: 1 },
        { from: 14 / 15, to: 1, samples: 2, confidence: expect.closeTo(0.9998, 4), accuracy: 0.5 },
      ],
    });
  });

  it('are none without sums, and of a worker that sends none', () => {
    expect(classDetails({}, 3)).toBeUndefined();
    expect(classDetails({ samples: 3, 'confusion.0.0': 2 }, 3)).toBeUndefined();
  });

  it.each([
    ['halves of samples in a cell', { 'confusion.0.0': 2.5, 'confusion.0.1': 0.5 }],
    ['fewer than no samples in a cell', { 'confusion.0.0': 4, 'confusion.0.1': -1 }],
    ['half a sample in a bin', { 'student.bin.3.samples': 0.5 }],
    ['half a right answer', { 'student.bin.3.samples': 1, 'student.bin.3.correct': 0.5 }],
    ['more samples in the bins than there are', { 'student.bin.3.samples': 4 }],
    ['more right answers than samples', { 'student.bin.3.samples': 1, 'student.bin.3.correct': 2 }],
  ])('are none of sums that are no counts, and a summary can always be written: %s', (_name, more) => {
    const sums = { samples: 3, 'confusion.0.0': 3, 'student.bin.3.samples': 3 };
    expect(classDetailsSchema.safeParse(classDetails(sums, 2)).success).toBe(true);
    expect(classDetails({ ...sums, ...more }, 2)).toBeUndefined();
  });

  it('have no bin for samples whose confidence is no number', () => {
    const logits = Float32Array.from([Infinity, 0, 0, /**/ 9, 0, 0, /**/ NaN, 0, 0, /**/ -Infinity, 0, 9]);
    const sums = studentSums(truthOf([0, 0, 1, 2], 3), logits, new Map());
    const known = { ...allDetailSums(3), ...calibrationSums(), 'student.correct': 0, 'student.loss': 0, samples: 0 };
    expect(Object.keys(sums).filter((name) => !Object.hasOwn(known, name))).toEqual([]);
    expect(sums).toMatchObject({ samples: 4, 'student.bin.14.samples': 2 });
    expect(classDetails(sums, 3)?.reliability).toMatchObject([{ from: 14 / 15, samples: 2 }]);
  });

  it('are none of too many classes', () => {
    const many = mostDetailedClasses + 1;
    expect(detailSums(truthOf([0], many), new Float32Array(many))).toEqual({});
    expect(allDetailSums(many)).toEqual({});
  });

  it('of as many classes as there may be fit into a header of 256 KiB, every pair met', () => {
    expect(Buffer.byteLength(JSON.stringify(allDetailSums(mostDetailedClasses)))).toBeLessThan(250_000);
  });
});
