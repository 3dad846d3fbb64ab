/** Runs a model of any format on an evaluation set. It is opened as a teacher is: for inference alone. */
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { UserError } from '../../shared/errors.js';
import { must } from '../../shared/must.js';
import { elementsIn } from '../../shared/shape.js';
import { Ensemble } from '../../worker/compute/teachers/ensemble.js';
import { inspectTeacher } from '../prepare/teacher.js';
import { openWasmTensorFlow } from '../prepare/tensorflow.js';
import type { EvaluationSet } from './evaluation-set.js';

/** How many samples the model gets at a time. */
const rows = 64;

/** What other models give of the same samples as the evaluated one; null where there is no such model. */
export interface OtherOutputs {
  readonly teacher: Float32Array | null;
  readonly against: Float32Array | null;
}

/**
 * Runs a model on every sample of the set.
 * @param path a run folder (its student is taken), or a model
 * @returns [samples x classes], or [samples x positions x classes]
 * @throws UserError 2 for a model that is not there or does not fit the set, 65 for a damaged one
 */
export async function outputsOf(path: string, set: EvaluationSet): Promise<Float32Array> {
  const { inputs, samples, positions, shape, classes, task } = set;
  const recipe = { name: 'model', model: await modelFile(path), weight: 1, output: 'logits' as const };
  const expected = { inputShape: shape, task, classes, positions, preprocess: null };
  const { spec, paths } = await inspectTeacher(recipe, expected, { folder: '.' });
  const ensemble = await Ensemble.open([spec], new Map(paths), {
    combine: 'logits',
    rows,
    inputShape: [...shape],
    openTensorFlow: openWasmTensorFlow,
  });
  const size = elementsIn(shape);
  const width = classes * (positions ?? 1);
  const outputs = new Float32Array(samples * width);
  for (let from = 0; from < samples; from += rows) {
    const to = Math.min(samples, from + rows);
    const found = await ensemble.logits(inputs.slice(from * size, to * size), to - from);
    outputs.set(must(found, recipe.name, 'outputs'), from * width);
  }
  await ensemble.dispose();
  return outputs;
}

async function modelFile(path: string): Promise<string> {
  const found = await stat(path).catch(() => null);
  if (found === null) throw new UserError(`${path}: no such file; a run folder or a model was wanted`);
  const inRun = join(path, 'student', 'model.json');
  return resolve(found.isDirectory() && (await stat(inRun).catch(() => null)) !== null ? inRun : path);
}
