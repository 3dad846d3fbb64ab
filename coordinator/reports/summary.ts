/** summary.json: what a run came to. It is written once, at the run's end, and a folder that has one is finished. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { studentFactsSchema } from '../../shared/models/student-facts.js';
import { isAnswering, type StudentSpec } from '../../shared/models/student-spec.js';
import type { TeacherSpec } from '../../shared/protocol/messages.js';
import { runEnginesSchema } from '../plan/run-engines.js';
import type { EvaluationLine } from '../store/journal.js';
import { classDetailsSchema } from '../../shared/figures/class-details.js';
import { figuresSchema, type Figures } from '../../shared/figures/figures.js';
import type { JudgedModel } from '../../shared/figures/sum-names.js';
import { figuresByTask } from '../../shared/figures/tasks.js';
import { elementsIn } from '../../shared/shape.js';
import type { Task } from '../../shared/task.js';

const scored = { ...figuresSchema, parameters: z.number().int().nonnegative() };
const studentSchema = z.object({
  ...scored,
  loss: z.number().optional(),
  calibrationError: z.number().optional(),
  exits: z.record(z.string(), z.number()).readonly().optional(),
});

export const summarySchema = z.object({
  run: z.string(),
  name: z.string(),
  recipeDigest: z.string(),
  /** SHA-256 over the student's final weights: float32 little-endian, tensors in the topology's order, all kinds. */
  digest: z.string(),
  /** The chain of the journal at its end; absent, as the next, in runs of earlier versions. */
  journal: z.string().optional(),
  /** The SHA-256 of each other file of the run folder that is neither log nor state, by its path there. */
  files: z.record(z.string(), z.string()).optional(),
  /** The same digest of each student in a folder beside `student`, by that folder's name. */
  digests: z.record(z.string(), z.string()).optional(),
  steps: z.number(),
  samples: z.number(),
  /** Time from the first journal line to the last, without the pauses before a coordinator's start. */
  seconds: z.number(),
  student: studentSchema,
  /** How it answered class by class; absent for other tasks, for more than 100 classes, and in runs of earlier versions. */
  details: classDetailsSchema.optional(),
  /** What computed the student and the teachers; absent in runs of earlier versions. */
  engines: runEnginesSchema.optional(),
  /** What the student is fed and what it gives; absent in runs of earlier versions. */
  facts: studentFactsSchema.optional(),
  /** The best of the student's evaluations, and the training step that it was reached at. */
  best: studentSchema.extend({ step: z.number() }).optional(),
  teachers: z.array(z.object({ name: z.string(), ...scored })),
  ensemble: z.object(scored).optional(),
  /** Teachers that failed, and the first step without each. */
  dropped: z.array(z.object({ name: z.string(), step: z.number() })).optional(),
  baseline: studentSchema.extend({ digest: z.string(), folder: z.string().optional() }).optional(),
  /** Leases granted, those of them for micro-batches that had been leased before, and contributions refused. */
  leases: z.object({ granted: z.number(), repeated: z.number(), refused: z.number() }),
  /** Bytes of commits that the run's last coordinator wrote to the log, and the time that writing and syncing took. */
  log: z.object({ bytes: z.number(), seconds: z.number() }),
  workers: z.array(
    z.object({
      name: z.string(),
      host: z.string(),
      backend: z.string(),
      /** What ONNX Runtime computed with; runs of older versions do not say. */
      provider: z.string().optional(),
      gpu: z.string().nullable(),
      /** The library and the kind of processor that a compiled student's bits depend on; absent for others. */
      engine: z.string().optional(),
      numerics: z.string(),
      samples: z.number(),
      seconds: z.record(z.string(), z.number()),
    }),
  ),
});
export type Summary = z.infer<typeof summarySchema>;

/** SHA-256 over the tensors' bytes, in the map's order. */
export function weightsDigest(weights: ReadonlyMap<string, Float32Array>): string {
  const hash = createHash('sha256');
  for (const values of weights.values())
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return hash.digest('hex');
}

/**
 * The number of the student's parameters: of its trained and frozen weights, without adapters. What batch norm keeps
 * moving is not counted, as is the custom.
 */
export function studentParameters(spec: StudentSpec): number {
  return spec.weights
    .filter((weight) => isAnswering(weight) && (weight.kind === 'trained' || weight.kind === 'frozen'))
    .reduce((sum, { shape }) => sum + elementsIn(shape), 0);
}

/** @param line the newest evaluation of the teachers; without one they have no figures */
export function teacherResults(
  task: Task,
  teachers: readonly TeacherSpec[],
  line: EvaluationLine | undefined,
): Pick<Summary, 'teachers' | 'ensemble'> {
  if (teachers.length === 0) return { teachers: [] };
  const figuresOf = (model: JudgedModel): Figures =>
    line === undefined ? {} : figuresByTask[task].figuresOf(line.sums, model);
  return {
    teachers: teachers.map(({ name, parameters }) => ({ name, parameters, ...figuresOf({ teacher: name }) })),
    ensemble: {
      parameters: teachers.reduce((sum, { parameters }) => sum + parameters, 0),
      ...figuresOf('ensemble'),
    },
  };
}

/** @param line the newest evaluation of the student; without one it has no figures */
export function studentResult(task: Task, spec: StudentSpec, line: EvaluationLine | undefined): Summary['student'] {
  const parameters = studentParameters(spec);
  return line === undefined ? { parameters } : { ...figuresByTask[task].studentFigures(line.sums), parameters };
}
