/** `eval`: reads a recipe's evaluation set, runs the models on it, and reports. */
import type { JudgedVectors } from '../../shared/figures/vectors.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { hasVectors, type VectorTask } from '../../shared/task.js';
import { logitOf } from '../../worker/compute/teachers/mixture.js';
import { classReport, classText, type ClassReport } from './class-report.js';
import { readEvaluationSet } from './evaluation-set.js';
import { withTargets } from './judged-rows.js';
import { outputsOf, type OtherOutputs } from './model-outputs.js';
import { multiLabelLines, multiLabelReport, type MultiLabelReport } from './multi-label-report.js';
import { regressionLines, regressionReport, type RegressionReport } from './regression-report.js';
import { sequenceReport, sequenceText, type SequenceReport } from './sequence-report.js';

export interface EvaluateOptions {
  /** The model to evaluate: a run folder, or a model of any format. */
  readonly model: string;
  /** Another model, for the agreement with it. */
  readonly teacher: string | undefined;
  /** Another model, to compare with sample by sample. */
  readonly against: string | undefined;
  /** The recipe whose evaluation set and preprocessing are used. */
  readonly recipe: Recipe;
  /** What paths in the recipe are relative to. */
  readonly recipeFolder: string;
}

export type EvaluationReport = ClassReport | RegressionReport | MultiLabelReport | SequenceReport;

/**
 * Evaluates a model.
 * @throws UserError 2 for what is missing or does not fit, 65 for what is damaged
 */
export async function evaluateModel(options: EvaluateOptions): Promise<EvaluationReport> {
  const { recipe, recipeFolder, model, teacher, against } = options;
  const set = await readEvaluationSet(recipe, recipeFolder);
  const logits = await outputsOf(model, set);
  const others: OtherOutputs = {
    teacher: teacher === undefined ? null : await outputsOf(teacher, set),
    against: against === undefined ? null : await outputsOf(against, set),
  };
  const { task, positions } = set;
  if (hasVectors(task)) return vectorReport(task, { ...set, outputs: logits, width: set.classes }, others);
  const judged = { ...set, logits };
  return positions === undefined ? classReport(judged, others) : sequenceReport({ ...judged, positions }, others);
}

function vectorReport(
  task: VectorTask,
  { vectors, labels, width, outputs }: JudgedVectors,
  { teacher, against }: OtherOutputs,
): RegressionReport | MultiLabelReport {
  const judge = (given: Float32Array): JudgedVectors =>
    withTargets({ vectors, labels, width, outputs: task === 'multiLabel' ? asLogits(given) : given });
  const others = {
    teacher: teacher === null ? null : judge(teacher).outputs,
    against: against === null ? null : judge(against).outputs,
  };
  return task === 'regression' ? regressionReport(judge(outputs), others) : multiLabelReport(judge(outputs), others);
}

/** Outputs that all lie between 0 and 1 are taken for probabilities of labels. */
function asLogits(outputs: Float32Array): Float32Array {
  return outputs.every((value) => value >= 0 && value <= 1) ? logitOf(outputs) : outputs;
}

/**
 * Says a report to people.
 * @param name what the model is called
 * @param names the names of classes, labels or numbers, where the recipe has some
 */
export function evaluationText(name: string, report: EvaluationReport, names: readonly string[] = []): string {
  if (!('task' in report)) return classText(name, report);
  if (report.task === 'sequence') return sequenceText(name, report, names);
  const lines = report.task === 'regression' ? regressionLines(report, names) : multiLabelLines(report, names);
  return [`${name}: ${report.samples} samples`, ...lines].join('\n');
}
