/**
 * The sums and figures of sequences, which have a class at each position. They are those of classes with a position in
 * place of a sample, and beside them: Pure.
 *
 *   sequences            sequences with a label somewhere
 *   WHO.exact            those of them whose labelled positions are all right: exact match = exact / sequences
 *   teacher.NAME.agree   labelled positions at which it prefers the same class as the ensemble
 */
import type { Sums } from '../replica/reduction/contribution.js';
import { classFigures, classHitsIn, ensembleClassSums, studentClassSums, teacherClassSums } from './classes.js';
import { agreeingWhereLabelled, exactSequences } from './classification.js';
import type { Figures } from './figures.js';
import { SumGroup, agreementIn, agreementSum, joined, samplesIn, type JudgedModel } from './sum-names.js';
import type { GroundTruth, TaskFigures } from './task-figures.js';

const counted = new SumGroup({ sequences: 'sequences' });
const exactly = new SumGroup({ exact: 'exact' });

function wholeSums(model: JudgedModel, truth: GroundTruth, logits: Float32Array): Sums {
  const { rows, positions, width, labels } = truth;
  const { sequences, exact } = exactSequences(logits, labels, { rows, positions, classes: width });
  return joined(counted.write(null, { sequences }), exactly.write(model, { exact }));
}

/** The sequences that have a label somewhere; 0 where the evaluation was given up, since it then has no sums. */
export function sequencesIn(sums: Sums): number {
  return counted.read(sums, null)?.sequences ?? 0;
}

function exactMatch(sums: Sums, model: JudgedModel): Pick<Figures, 'exactMatch'> {
  const sequences = sequencesIn(sums);
  return sequences === 0 ? {} : { exactMatch: exactly.need(sums, model).exact / sequences };
}

export const sequenceFigures: TaskFigures = {
  studentSums: (truth, logits, exits) =>
    joined(studentClassSums(truth, logits, exits), wholeSums('student', truth, logits)),
  teacherSums: (truth, { teachers, ensemble, specialties, routes }) =>
    joined(
      ensembleClassSums(truth, ensemble),
      wholeSums('ensemble', truth, ensemble),
      ...[...teachers].map(([teacher, logits]) =>
        joined(
          teacherClassSums(truth, logits, { teacher, specialty: specialties.get(teacher), routes }),
          wholeSums({ teacher }, truth, logits),
          agreementSum(teacher, agreeingWhereLabelled(truth.labels, { logits, ensemble }, truth.width)),
        ),
      ),
    ),
  figuresOf: (sums, model) => {
    const found = classHitsIn(sums, model);
    return found === null ? {} : { accuracy: found.correct / found.samples, ...exactMatch(sums, model) };
  },
  studentFigures: (sums) => {
    const { exits, accuracy, ...others } = classFigures.studentFigures(sums);
    return {
      ...(exits === undefined ? {} : { exits }),
      ...(accuracy === undefined ? {} : { accuracy }),
      ...exactMatch(sums, 'student'),
      ...others,
    };
  },
  details: () => undefined,
  agreementOf: (sums, teacher) => agreementIn(sums, teacher, samplesIn(sums)),
  isGuessing: classFigures.isGuessing,
};
