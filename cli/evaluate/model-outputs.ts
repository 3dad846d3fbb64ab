/** Runs a model of any format on an evaluation set. It is opened as a teacher is: for inference alone. */
import { join } from 'node:path';
import { cacheFolder } from '../../shared/cache-folder.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import { atWork } from '../../shared/long-work.js';
import { must } from '../../shared/must.js';
import { elementsIn } from '../../shared/shape.js';
import { Ensemble } from '../../worker/compute/teachers/ensemble.js';
import { formatNamed } from '../../worker/compute/teachers/teacher-formats.js';
import { NoModel } from '../prepare/teacher-files.js';
import { inspectTeacher } from '../prepare/teacher.js';
import { nativeFor, onnxFolderFor } from '../prepare/teachers.js';
import { openWasmTensorFlow } from '../prepare/tensorflow.js';
import { takeModel, type AskedModel, type NamingRecipe, type TakenModel } from './asked-model.js';
import type { EvaluationSet } from './evaluation-set.js';

/** How many samples the model gets at a time. */
const rows = 64;

/** What other models give of the same samples as the evaluated one; null where there is no such model. */
export interface OtherOutputs {
  readonly teacher: Float32Array | null;
  readonly against: Float32Array | null;
}

/** What a model gives of a set. */
export interface ModelOutputs {
  /** What messages call the model. */
  readonly name: string;
  /** [samples x classes], or [samples x positions x classes]; logits where it is said what the model gives. */
  readonly outputs: Float32Array;
  /** The classes that it is judged by alone, of a specialist; null for all. */
  readonly specialty: readonly number[] | null;
  /** Whether it is known what the model gives, or it was taken to be logits. */
  readonly isKnown: boolean;
}

/**
 * Runs a model on every sample of the set.
 * @param warn gets a line for each thing that looks odd
 * @throws UserError 2 for a model that is not there or does not fit the set, 65 for a damaged one
 */
export async function outputsOf(
  asked: AskedModel,
  set: EvaluationSet,
  { warn, ...naming }: NamingRecipe & { readonly warn: (line: string) => void },
): Promise<ModelOutputs> {
  const taken = await takeModel(asked, naming);
  if (taken.remark !== null) warn(taken.remark);
  const { teacher, isKnown } = taken;
  const odd = new Set<string>();
  const found = await runTaken(taken, set, { naming, warn: (line) => odd.add(line) }).catch((error: unknown) => {
    throw isOfRecipe(teacher, naming) ? error : ofModel(error, isKnown ? null : hintFor(naming));
  });
  odd.forEach((line) => warn(line));
  if (odd.size > 0 && !isKnown) warn(`${teacher.name}: ${hintFor(naming)}`);
  const isSaid = isKnown || asked.fields?.output !== undefined;
  return { name: teacher.name, ...found, isKnown: isSaid };
}

interface Running {
  readonly naming: NamingRecipe;
  readonly warn: (line: string) => void;
}

async function runTaken(
  { teacher: given }: TakenModel,
  set: EvaluationSet,
  { naming: { recipe, recipeFolder }, warn }: Running,
): Promise<Pick<ModelOutputs, 'outputs' | 'specialty'>> {
  const { inputs, samples, positions, shape, classes } = set;
  const teacher = { ...given, name: given.name.slice(0, 64) };
  const openNative = nativeFor(recipe, teacher.name);
  const { spec, paths, warnings } = await inspectTeacher(
    teacher,
    { ...set, inputShape: shape },
    { folder: recipeFolder, openNative, onnxFolder: onnxFolderFor(recipe, join(cacheFolder(), 'artifacts')) },
  );
  warnings.forEach(warn);
  const { specialist, ...alone } = spec;
  const ensemble = await Ensemble.open([{ ...alone, temperature: null }], new Map(paths), {
    combine: 'logits',
    rows,
    inputShape: [...shape],
    openTensorFlow: formatNamed(spec.format, spec.name).needsNative ? openNative : openWasmTensorFlow,
    warn,
  });
  const size = elementsIn(shape);
  const width = classes * (positions ?? 1);
  const outputs = new Float32Array(samples * width);
  try {
    for (let from = 0; from < samples; from += rows) {
      await atWork('evaluating samples', { done: from, total: samples });
      const to = Math.min(samples, from + rows);
      const found = await ensemble.logits(inputs.slice(from * size, to * size), to - from);
      outputs.set(must(found, teacher.name, 'outputs'), from * width);
    }
  } finally {
    await ensemble.dispose();
  }
  return { outputs, specialty: specialist ?? null };
}

/** What a user may say of a model that the recipe does not name. */
function hintFor({ recipe: { teachers } }: NamingRecipe): string {
  const as = teachers.length === 0 ? '' : `, or --as ${teachers.map(({ name }) => name).join('|')}`;
  return `the recipe does not name this model: how it is to be taken is said by --output, --output-name, --input, --inputs, --layout, --classes, --signature, --resize, --channels and --preprocess${as}`;
}

function isOfRecipe({ name }: TakenModel['teacher'], { recipe: { teachers } }: NamingRecipe): boolean {
  return teachers.some((teacher) => teacher.name === name);
}

/**
 * An error about a model that was opened as a teacher is, and is none.
 * @param hint what else may be said of it, where that may help; null: nothing
 */
function ofModel(error: unknown, hint: string | null): unknown {
  if (!(error instanceof UserError)) return error;
  const text = error.message.replace(/^teacher /, 'model ');
  const isHelped = hint !== null && error.exitCode === exitCodes.usage && !(error instanceof NoModel);
  return new UserError(isHelped ? `${text} (${hint})` : text, error.exitCode, error);
}
