/**
 * The canary of a served model, by which it is known again. What the run that goes on was prepared with stays, and a
 * model that gives something else is refused there. A new run takes what was kept in the cache where the model still
 * gives the same but for its last bits, so that labels of earlier runs stay usable.
 */
import { join } from 'node:path';
import { cacheFolder } from '../../shared/cache-folder.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import { answerOf, canaryQuestion, type ServedCanary } from '../../shared/labels/served-canary.js';
import type { TeacherSpec } from '../../shared/protocol/messages.js';
import { sha256Of } from '../../shared/sha256.js';
import { otherThan } from '../../worker/compute/teachers/canary.js';
import { keepAnswer, keptAnswer } from '../../worker/compute/teachers/formats/kept-answers.js';

export interface CanaryOptions {
  /** One sample of the data, channels last. */
  readonly inputShape: readonly number[];
  /** What the models of the run that goes on answered, by teacher; absent: a new run begins. */
  readonly before?: ReadonlyMap<string, ServedCanary> | undefined;
  /** Default: the user's. */
  readonly cache?: string;
}

/** The teacher with the canary that its run has, and what is odd about it, in words. */
export interface SettledCanary {
  readonly spec: TeacherSpec;
  readonly remarks: readonly string[];
}

/**
 * Decides by which canary a teacher is known; a teacher in files stays as it is.
 *
 * @param spec with what its model gave just now
 * @throws UserError 65 where its model is another than that of the run that goes on
 */
export async function settleCanary(
  spec: TeacherSpec,
  { inputShape, before, cache = cacheFolder() }: CanaryOptions,
): Promise<SettledCanary> {
  const { served, canary: found = [], name } = spec;
  if (served === undefined) return { spec, remarks: [] };
  const question = canaryQuestion(spec, inputShape);
  const known = before?.get(name);
  if (known?.question === question) {
    const canary = answerOf(known);
    const other = otherThan(found, canary);
    if (other === null) return { spec: { ...spec, canary }, remarks: [] };
    throw new UserError(
      `teacher ${name}: the model at ${served.url} gives for a known sample ${other.found} as output ${other.at}, and gave ${other.expected} when this run began: it is another one under the same name and version; that of the run wanted, or another --out`,
      exitCodes.data,
    );
  }
  if (spec.canary === undefined) return { spec, remarks: [] };
  const folder = join(cache, 'served', 'canaries');
  const digest = sha256Of(JSON.stringify([served.url, question]));
  const kept = await keptAnswer(folder, digest);
  if (kept !== null && otherThan(found, [...kept.values]) === null)
    return { spec: { ...spec, canary: [...kept.values] }, remarks: [] };
  await keepAnswer(folder, digest, { values: Float32Array.from(found), shape: [found.length] });
  const changed = `teacher ${name}: the model at ${served.url} is another one than before, under the same name and version; its labels are made anew`;
  return { spec, remarks: kept === null ? [] : [changed] };
}
