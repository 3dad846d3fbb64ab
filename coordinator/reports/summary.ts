/** summary.json: what a run came to. Written once, at its end; a folder that has one is finished. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { StudentSpec } from '../../shared/models/student-spec.js';
import { sizeOf } from '../../shared/models/student-spec.js';
import type { EvaluationLine, JournalLine } from '../journal.js';

const scored = { accuracy: z.number().optional(), parameters: z.number().int().nonnegative() };
const studentResult = z.object({ ...scored, loss: z.number().optional() });

export const summarySchema = z.object({
  run: z.string(),
  name: z.string(),
  recipeDigest: z.string(),
  /** SHA-256 over the student's final weights: float32 little-endian, tensors in the topology's order, all kinds. */
  digest: z.string(),
  steps: z.number(),
  samples: z.number(),
  /** From the first journal line to the last, pauses between generations left out. */
  seconds: z.number(),
  student: studentResult,
  /** By evaluation: the best of the student's, and the training step it was reached at. */
  best: studentResult.extend({ step: z.number() }).optional(),
  teachers: z.array(z.object({ name: z.string(), ...scored })),
  ensemble: z.object(scored).optional(),
  baseline: studentResult.extend({ digest: z.string(), folder: z.string().optional() }).optional(),
  leases: z.object({ granted: z.number(), repeated: z.number(), refused: z.number() }),
  workers: z.array(z.object({ name: z.string(), host: z.string(), backend: z.string(), gpu: z.string().nullable(), numerics: z.string(), samples: z.number() })),
});
export type Summary = z.infer<typeof summarySchema>;

/** SHA-256 over the tensors' bytes, in the map's order. */
export function weightsDigest(weights: ReadonlyMap<string, Float32Array>): string {
  const hash = createHash('sha256');
  for (const values of weights.values()) hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return hash.digest('hex');
}

/** Trained weights; what batch norm keeps moving is not counted, as is the custom. */
export function studentParameters(spec: StudentSpec): number {
  return spec.weights.filter(({ kind }) => kind === 'trained' || kind === 'frozen').reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

export function lastEvaluation(lines: readonly JournalLine[], subject: 'student' | 'teachers'): EvaluationLine | undefined {
  return lines.findLast((line): line is EvaluationLine => line.type === 'evaluation' && line.subject === subject);
}

/** `PREFIX.correct` over samples; undefined without an evaluation. */
export function accuracyOf(line: EvaluationLine | undefined, prefix: string): number | undefined {
  const correct = line?.sums[`${prefix}.correct`];
  const samples = line?.sums.samples ?? 0;
  return correct === undefined || samples === 0 ? undefined : correct / samples;
}

/** Seconds between lines, without those before a generation's line. */
export function secondsOf(lines: readonly JournalLine[]): number {
  const spans = lines.map((line, i) => (line.type === 'generation' ? 0 : Math.max(0, line.atMs - (lines[i - 1]?.atMs ?? line.atMs))));
  return spans.reduce((sum, span) => sum + span, 0) / 1000;
}

export function samplesOf(lines: readonly JournalLine[]): { steps: number; samples: number } {
  const commits = lines.flatMap((line) => (line.type === 'commit' ? [line] : []));
  return { steps: commits.length, samples: commits.reduce((sum, { samples }) => sum + samples, 0) };
}
