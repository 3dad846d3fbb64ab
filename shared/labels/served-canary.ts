/**
 * By what a served model is known again, whose weights nobody sees: what it answered to its canary, and to what question
 * that was an answer. In the recipe.yaml of a run as anywhere else. Pure.
 */
import { z } from 'zod';
import type { TeacherSpec } from '../protocol/messages.js';
import { sha256Of } from '../sha256.js';
import { teacherDigest } from './ensemble-digest.js';

export const servedCanarySchema = z.object({
  /** Digest of the model's description and of all that decides what it is asked. */
  question: z.string().regex(/^[0-9a-f]{64}$/),
  /** float32 LE in base64. */
  answer: z.base64(),
});

/** What a served model answered to its canary. */
export type ServedCanary = z.infer<typeof servedCanarySchema>;

/** @param inputShape one sample of the data, channels last @returns null for a model in files, or without a canary */
export function servedCanaryOf(spec: TeacherSpec, inputShape: readonly number[]): ServedCanary | null {
  if (spec.served === undefined || spec.canary === undefined) return null;
  const bytes = Buffer.from(Float32Array.from(spec.canary).buffer);
  return { question: canaryQuestion(spec, inputShape), answer: bytes.toString('base64') };
}

/** The numbers of an answer. */
export function answerOf({ answer }: ServedCanary): number[] {
  const bytes = Buffer.from(answer, 'base64');
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => bytes.readFloatLE(4 * i));
}

/** The digest of a served model's description, of what it is fed, and of its name, from which the sample is drawn. */
export function canaryQuestion(
  { canary: _canary, parameters: _parameters, ...spec }: TeacherSpec,
  inputShape: readonly number[],
): string {
  const alone = teacherDigest({ ...spec, parameters: 0 }, { combine: 'logits', rows: 1, inputShape });
  return sha256Of(JSON.stringify([spec.name, alone]));
}
