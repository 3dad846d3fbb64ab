/**
 * The sums and figures of samples that have one class each. Pure.
 *
 *   samples                   labelled samples: accuracy = correct / samples, loss = loss / samples
 *   WHO.correct               labelled samples whose largest logit is the label's
 *   student.loss              sum of the cross entropy, in nats
 *   student.calibration.BIN   gap of a bin of confidence; the calibration error is the sum of |gap| / samples
 *   exit.NAME.correct         the same count of an earlier exit
 *   teacher.NAME.samples      of a teacher that labels some samples only: labelled ones of those, which alone count for it
 *   teacher.NAME.agree        samples, labelled or not, on which it prefers the same class as the ensemble
 *   confusion..., student.bin...   what class-details.ts counts
 */
import type { Sums } from '../replica/reduction/contribution.js';
import { classDetails, detailSums } from './class-details.js';
import { agreeing, calibrationBins, calibrationGaps, crossEntropySum, hitsOf } from './classification.js';
import {
  SumFamily,
  SumGroup,
  agreementIn,
  agreementSum,
  joined,
  ownSamplesIn,
  ownSamplesSum,
  perSample,
  samplesIn,
  samplesSum,
  type JudgedModel,
} from './sum-names.js';
import { guessSigmas, type GroundTruth, type TaskFigures } from './task-figures.js';

const hits = new SumGroup({ correct: 'correct' });
const studentHits = new SumGroup({ correct: 'correct', loss: 'loss' });
const gaps = new SumFamily('student.calibration.');
const exitHits = new SumFamily('exit.', '.correct');

/** A sum for each bin of confidence, of nothing. */
export function calibrationSums(): Sums {
  return gaps.write(Array.from({ length: calibrationBins }, (_, bin) => [bin, 0] as const));
}

export function studentClassSums(
  { labels, width }: GroundTruth,
  logits: Float32Array,
  exits: ReadonlyMap<string, Float32Array>,
): Sums {
  const { labelled, correct } = hitsOf(logits, labels, width);
  return joined(
    samplesSum(labelled),
    studentHits.write('student', { correct, loss: crossEntropySum(logits, labels, width) }),
    gaps.write(calibrationGaps(logits, labels, width)),
    exitHits.write([...exits].map(([name, values]) => [name, hitsOf(values, labels, width).correct])),
  );
}

/** The sums of the ensemble's classes, with the samples that all sums of the teachers are over. */
export function ensembleClassSums({ labels, width }: GroundTruth, logits: Float32Array): Sums {
  const { labelled, correct } = hitsOf(logits, labels, width);
  return joined(samplesSum(labelled), hits.write('ensemble', { correct }));
}

/** Which samples a teacher is judged by. */
interface TeacherPart {
  readonly teacher: string;
  /** The classes of a specialist; undefined for a teacher of all. */
  readonly specialty: readonly number[] | undefined;
  /** Names of the teachers of each sample; undefined where all label all. */
  readonly routes?: readonly (readonly string[])[] | undefined;
}

export function teacherClassSums(
  { labels, width, positions }: GroundTruth,
  logits: Float32Array,
  { teacher, specialty, routes }: TeacherPart,
): Sums {
  const isOwn = (label: number, at: number): boolean =>
    (specialty?.includes(label) ?? true) && (routes?.[Math.floor(at / positions)]?.includes(teacher) ?? true);
  const isWhole = specialty === undefined && routes === undefined;
  const judged = isWhole ? labels : labels.map((label, at) => (isOwn(label, at) ? label : -1));
  const { labelled, correct } = hitsOf(logits, judged, width);
  return joined(hits.write({ teacher }, { correct }), isWhole ? {} : ownSamplesSum(teacher, labelled));
}

/** Correct answers and the samples that they are of; null when the model was evaluated on no labelled sample. */
export function classHitsIn(sums: Sums, model: JudgedModel): { correct: number; samples: number } | null {
  const found = hits.read(sums, model);
  const samples = ownSamplesIn(sums, model) ?? samplesIn(sums);
  return found === null || samples === 0 ? null : { correct: found.correct, samples };
}

/** 0 in all figures where no sample has a label. */
export const classFigures: TaskFigures = {
  studentSums: (truth, logits, exits) => joined(studentClassSums(truth, logits, exits), detailSums(truth, logits)),
  details: classDetails,
  teacherSums: (truth, { teachers, ensemble, specialties, routes }) =>
    joined(
      ensembleClassSums(truth, ensemble),
      ...[...teachers].map(([teacher, logits]) =>
        joined(
          teacherClassSums(truth, logits, { teacher, specialty: specialties.get(teacher), routes }),
          agreementSum(teacher, agreeing(logits, ensemble, truth.width)),
        ),
      ),
    ),
  figuresOf: (sums, model) => {
    const found = classHitsIn(sums, model);
    return found === null ? {} : { accuracy: found.correct / found.samples };
  },
  studentFigures: (sums) => {
    const samples = samplesIn(sums);
    // An evaluation that was given up has no sums; its figures are 0, like those of a set without labels.
    const { correct, loss } = studentHits.read(sums, 'student') ?? { correct: 0, loss: 0 };
    const exits = exitHits.read(sums).map(([name, right]): [string, number] => [name, perSample(right, samples)]);
    const gap = gaps.read(sums).reduce((sum, [, value]) => sum + Math.abs(value), 0);
    return {
      ...(exits.length === 0 ? {} : { exits: Object.fromEntries(exits) }),
      accuracy: perSample(correct, samples),
      loss: perSample(loss, samples),
      calibrationError: perSample(gap, samples),
    };
  },
  agreementOf: agreementIn,
  isGuessing: (sums, teacher, classes) => {
    const found = classHitsIn(sums, { teacher });
    if (found === null) return false;
    const chance = 1 / classes;
    const bound = chance + guessSigmas * Math.sqrt((chance * (1 - chance)) / found.samples);
    return bound < 1 && found.correct / found.samples <= bound;
  },
};
