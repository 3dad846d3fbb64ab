/** Reads a recipe's evaluation set as a model gets it: whole, in memory, preprocessed. */
import { normalise } from '../../shared/data/samples.js';
import { UserError } from '../../shared/errors.js';
import type { Preprocess, Recipe, SourceRecipe } from '../../shared/recipe/schema.js';
import { hasVectors, taskOf, type Task } from '../../shared/task.js';
import { checkPreprocess } from '../prepare/sample-channels.js';
import type { RemoteFiles } from '../prepare/remote/remote-files.js';
import type { Part, Source } from '../prepare/sources/source.js';
import { openSource, type SourceOptions } from '../prepare/sources/chosen-source.js';

export interface EvaluationSet {
  readonly task: Task;
  readonly samples: number;
  /** Shape of one sample, channels last. */
  readonly shape: readonly number[];
  /** What a sample's numbers are, one part after the other; absent where they have no names. */
  readonly parts?: readonly Part[] | undefined;
  /** [samples x sample] */
  readonly inputs: Float32Array;
  /** [samples], or [samples x positions]; -1 for none. */
  readonly labels: Int32Array;
  /** [samples x classes]; empty where samples have no target vectors. */
  readonly vectors: Float32Array;
  /** Positions of a sequence; undefined: a sample is no sequence. */
  readonly positions: number | undefined;
  /** The numbers that a model gives of a sample, or of a position. */
  readonly classes: number;
  /** By class number; undefined where neither recipe nor data has names. */
  readonly classNames: readonly string[] | undefined;
  /** What the inputs have been through; null for nothing. */
  readonly preprocess: Preprocess | null;
}

/**
 * Reads the evaluation set of a recipe.
 * @param folder what paths in the recipe are relative to
 * @param remote the files of other machines; default: those that the user's cache and environment give access to
 * @throws UserError 2 when there is none or it does not fit the task, 65 when a file is damaged
 */
export async function readEvaluationSet(
  { data, ensemble }: Recipe,
  folder: string,
  remote?: RemoteFiles,
): Promise<EvaluationSet> {
  if (data.eval === undefined) throw new UserError('data.eval: missing; an evaluation set was wanted');
  const { source, classNames } = await openNamed(data.eval, data, {
    folder,
    remote,
    routeColumn: ensemble.route?.column,
  });
  const inputs = Float32Array.from(await source.read(0, source.samples));
  await source.close();
  checkPreprocess(data.preprocess, source.shape);
  normalise(inputs, source.shape.at(-1) ?? 1, data.preprocess ?? null);
  const task = taskOf({ data });
  checkTask(task, source);
  const { samples, shape, parts, labels, targets, positions } = source;
  const greatest = labels.reduce((most, label) => Math.max(most, label), -1);
  return {
    task,
    classNames,
    preprocess: data.preprocess ?? null,
    samples,
    shape,
    parts,
    inputs,
    labels,
    vectors: targets?.values ?? new Float32Array(0),
    positions,
    classes: targets?.width ?? data.classes ?? classNames?.length ?? source.classes ?? greatest + 1,
  };
}

/** Opens an evaluation set whose labels have the names of the recipe, else those of the training set where it has names. */
async function openNamed(
  evaluation: SourceRecipe,
  { train, classNames, task }: Recipe['data'],
  { folder, ...options }: { readonly folder: string } & Pick<SourceOptions, 'remote' | 'routeColumn'>,
): Promise<{ source: Source; classNames: readonly string[] | undefined }> {
  if (classNames !== undefined || (evaluation.format !== 'folder' && train.format !== 'folder')) {
    const source = await openSource(evaluation, folder, { classNames, task, ...options });
    if (classNames !== undefined || source.classNames === undefined) return { source, classNames };
    await source.close();
  }
  const named = await openSource(train, folder, { task, ...options });
  await named.close();
  const names = named.classNames;
  return { source: await openSource(evaluation, folder, { classNames: names, task, ...options }), classNames: names };
}

function checkTask(task: Task, { positions, targets }: Source): void {
  if (task === 'sequence' && positions === undefined)
    throw new UserError('data.eval.labels: missing, or one a sample; labels of [samples, positions] were wanted');
  if (hasVectors(task) && targets === undefined)
    throw new UserError('data.eval.targets: missing; an evaluation set with targets was wanted');
}
