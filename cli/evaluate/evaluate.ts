/** `eval`: reads a recipe's evaluation set, runs the models on it, and reports. */
import { counted } from '../../shared/counted.js';
import type { JudgedVectors } from '../../shared/figures/vectors.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { hasVectors, type VectorTask } from '../../shared/task.js';
import { logitOf } from '../../shared/ensemble/mixture.js';
import type { RemoteFiles } from '../prepare/remote/remote-files.js';
import type { AskedModel } from './asked-model.js';
import { classReport, classText, type ClassReport } from './class-report.js';
import { readEvaluationSet, type EvaluationSet } from './evaluation-set.js';
import { withTargets } from './judged-rows.js';
import { outputsOf, type ModelOutputs, type OtherOutputs } from './model-outputs.js';
import { multiLabelLines, multiLabelReport, type MultiLabelReport } from './multi-label-report.js';
import { oddAnswers } from './odd-answers.js';
import { regressionLines, regressionReport, type RegressionReport } from './regression-report.js';
import { sequenceReport, sequenceText, type SequenceReport } from './sequence-report.js';

export interface EvaluateOptions {
  /** The model to evaluate: a run folder, a model of any format, or a teacher's name. */
  readonly model: AskedModel;
  /** Another model, for the agreement with it. */
  readonly teacher: AskedModel | undefined;
  /** Another model, to compare with sample by sample. */
  readonly against: AskedModel | undefined;
  /** The recipe whose evaluation set and preprocessing are used. */
  readonly recipe: Recipe;
  /** What paths in the recipe are relative to. */
  readonly recipeFolder: string;
  /** Gets a line for each thing that looks odd. */
  readonly warn: (line: string) => void;
  /** The files of other machines. */
  readonly remote?: RemoteFiles | undefined;
}

export type EvaluationReport = (ClassReport | RegressionReport | MultiLabelReport | SequenceReport) & {
  /** The classes whose samples alone count, of a specialist. */
  readonly specialist?: readonly number[];
};

/**
 * Evaluates a model.
 * @throws UserError 2 for what is missing or does not fit, 65 for what is damaged
 */
export async function evaluateModel(options: EvaluateOptions): Promise<EvaluationReport> {
  const { recipe, recipeFolder, model, teacher, against, warn } = options;
  const set = await readEvaluationSet(recipe, recipeFolder, options.remote);
  const asked = async (one: AskedModel | undefined): Promise<ModelOutputs | null> => {
    if (one === undefined) return null;
    const found = asLogits(set, await outputsOf(one, set, { recipe, recipeFolder, warn }), warn);
    oddAnswers(set, found).forEach(warn);
    return found;
  };
  const [own, same, other] = [await asked(model), await asked(teacher), await asked(against)];
  if (own === null) throw new Error('an evaluation of no model');
  const others: OtherOutputs = { teacher: same?.outputs ?? null, against: other?.outputs ?? null };
  return {
    ...reportOf(ofSpecialties(set, [own.specialty, other?.specialty ?? null]), own.outputs, others),
    ...(own.specialty === null ? {} : { specialist: own.specialty }),
  };
}

function reportOf(set: EvaluationSet, outputs: Float32Array, others: OtherOutputs): EvaluationReport {
  const { task, positions, classes } = set;
  if (hasVectors(task)) return vectorReport(task, { ...set, outputs, width: classes }, others);
  const judged = { ...set, logits: outputs };
  return positions === undefined ? classReport(judged, others) : sequenceReport({ ...judged, positions }, others);
}

/** Specialists are judged on the samples of their classes alone, as in a run. */
function ofSpecialties(set: EvaluationSet, specialties: readonly (readonly number[] | null)[]): EvaluationSet {
  const isKnown = (label: number): boolean => specialties.every((classes) => classes?.includes(label) ?? true);
  return { ...set, labels: set.labels.map((label) => (isKnown(label) ? label : -1)) };
}

function vectorReport(
  task: VectorTask,
  { vectors, labels, width, outputs }: JudgedVectors,
  { teacher, against }: OtherOutputs,
): RegressionReport | MultiLabelReport {
  const judge = (given: Float32Array): JudgedVectors => withTargets({ vectors, labels, width, outputs: given });
  const others = {
    teacher: teacher === null ? null : judge(teacher).outputs,
    against: against === null ? null : judge(against).outputs,
  };
  return task === 'regression' ? regressionReport(judge(outputs), others) : multiLabelReport(judge(outputs), others);
}

/** Outputs for labels that all lie between 0 and 1 are taken for probabilities, unless it is said what they are. */
function asLogits({ task }: EvaluationSet, found: ModelOutputs, warn: (line: string) => void): ModelOutputs {
  const { outputs, isKnown, name } = found;
  if (task !== 'multiLabel' || isKnown || !outputs.every((value) => value >= 0 && value <= 1)) return found;
  warn(`${name}: all its outputs are from 0 to 1, so they are taken for probabilities; --output logits says otherwise`);
  return { ...found, outputs: logitOf(outputs) };
}

/**
 * Says a report to people.
 * @param name what the model is called
 * @param names the names of classes, labels or numbers, where the recipe has some
 */
export function evaluationText(name: string, report: EvaluationReport, names: readonly string[] = []): string {
  const called =
    report.specialist === undefined ? name : `${name}, on the classes ${report.specialist.join(', ')} alone`;
  if (!('task' in report)) return classText(called, report);
  if (report.task === 'sequence') return sequenceText(called, report, names);
  const lines = report.task === 'regression' ? regressionLines(report, names) : multiLabelLines(report, names);
  return [`${name}: ${counted(report.samples, 'sample')}`, ...lines].join('\n');
}
