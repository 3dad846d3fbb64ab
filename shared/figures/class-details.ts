/**
 * What a classifier's evaluation tells beyond its figures: which classes it takes for which, and how far its confidence
 * can be believed. All are counts of labelled samples, so they add up exactly in any order. Pure.
 *
 *   confusion.LABEL.PREDICTION   samples of this label that are taken for this class; of at most 100 classes
 *   student.bin.BIN.samples      samples whose confidence lies in this bin, one of 15 of equal width
 *   student.bin.BIN.correct      those of them that are taken for the right class
 *
 * What counts nothing is left out. With the gap of a bin (`student.calibration.BIN`, classes.ts) its mean confidence is
 * (gap + correct) / samples.
 */
import { z } from 'zod';
import type { Sums } from '../replica/reduction/contribution.js';
import { calibrationBins, calibrationOf, confusionOf } from './classification.js';
import { joined, perSample, samplesIn, SumFamily } from './sum-names.js';

/** Of more classes nothing is told of each: a header that has the counts of all pairs of them would be too long. */
export const mostDetailedClasses = 100;

const count = z.number().int().nonnegative();

/** How the student answered on the evaluation set, class by class. */
export const classDetailsSchema = z.object({
  /** confusion[label][prediction] */
  confusion: z.array(z.array(count)),
  /** By class; the accuracy is null where it has no sample. */
  perClass: z.array(z.object({ samples: count, accuracy: z.number().nullable() })),
  /** The bins of confidence that hold samples: the mean confidence there, and the share that is right. */
  reliability: z.array(
    z.object({ from: z.number(), to: z.number(), samples: count, confidence: z.number(), accuracy: z.number() }),
  ),
});
export type ClassDetails = z.infer<typeof classDetailsSchema>;

const cells = new SumFamily('confusion.');
const gaps = new SumFamily('student.calibration.');
const binSamples = new SumFamily('student.bin.', '.samples');
const binHits = new SumFamily('student.bin.', '.correct');

/** Whether a sum counts the samples of a cell of the confusion matrix. */
export function isConfusion(name: string): boolean {
  return name.startsWith('confusion.');
}

/** Whether a sum is one of those that `detailSums` gives: each counts samples. */
export function isDetail(name: string): boolean {
  return isConfusion(name) || name.startsWith('student.bin.');
}

/** What is known of the samples. */
interface LabelledRows {
  /** [rows]; -1: no label. */
  readonly labels: Int32Array;
  /** Number of classes. */
  readonly width: number;
}

/** @param logits [rows x classes] */
export function detailSums({ labels, width }: LabelledRows, logits: Float32Array): Sums {
  if (width > mostDetailedClasses) return {};
  const bins = [...calibrationOf(logits, labels, width)];
  return joined(
    cells.write(confusionOf(logits, labels, width)),
    binSamples.write(bins.map(([bin, { samples }]) => [bin, samples])),
    binHits.write(bins.flatMap(([bin, { correct }]) => (correct === 0 ? [] : [[bin, correct] as const]))),
  );
}

/** Every sum that `detailSums` may give, of nothing. */
export function allDetailSums(classes: number): Sums {
  if (classes > mostDetailedClasses) return {};
  const all = Array.from({ length: classes }, (_, k) => k);
  const bins = Array.from({ length: calibrationBins }, (_, bin) => [bin, 0] as const);
  return joined(
    cells.write(all.flatMap((label) => all.map((taken) => [`${label}.${taken}`, 0] as const))),
    binSamples.write(bins),
    binHits.write(bins),
  );
}

/**
 * @returns undefined where the sums tell it of no sample, or of some alone, as a worker of an earlier version gave them,
 * and where they are no counts that add up
 */
export function classDetails(sums: Sums, classes: number): ClassDetails | undefined {
  const counted = cells.read(sums);
  const samples = samplesIn(sums);
  if (samples === 0 || totalOf(counted) !== samples) return undefined;
  // Samples whose confidence is no number are in none of the bins.
  const [inBins, hits] = [totalOf(binSamples.read(sums)), totalOf(binHits.read(sums))];
  if (inBins === null || hits === null || inBins > samples || hits > inBins) return undefined;
  const confusion = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0));
  for (const [name, value] of counted) {
    const [label = 0, taken = 0] = name.split('.').map(Number);
    const row = confusion[label];
    if (row !== undefined) row[taken] = value;
  }
  const perClass = confusion.map((row, k) => {
    const own = row.reduce((sum, value) => sum + value, 0);
    return { samples: own, accuracy: own === 0 ? null : (row[k] ?? 0) / own };
  });
  return { confusion, perClass, reliability: reliabilityIn(sums) };
}

/** The sum of counts; null where one of them can be none. */
function totalOf(counts: readonly (readonly [name: string, value: number])[]): number | null {
  if (!counts.every(([, value]) => Number.isInteger(value) && value >= 0)) return null;
  return counts.reduce((sum, [, value]) => sum + value, 0);
}

function reliabilityIn(sums: Sums): ClassDetails['reliability'] {
  const [gap, hits] = [new Map(gaps.read(sums)), new Map(binHits.read(sums))];
  const bins = binSamples.read(sums).sort(([a], [b]) => Number(a) - Number(b));
  return bins.map(([bin, samples]) => {
    const correct = hits.get(bin) ?? 0;
    return {
      from: Number(bin) / calibrationBins,
      to: (Number(bin) + 1) / calibrationBins,
      samples,
      confidence: perSample((gap.get(bin) ?? 0) + correct, samples),
      accuracy: perSample(correct, samples),
    };
  });
}
