/**
 * The lines of journal.jsonl: one for each committed unit, and one for each event in the life of the run (a new
 * generation, a rewind, a file that was written). They are the run's account: what is not in them did not happen. Pure.
 */
import { z } from 'zod';

const count = z.number().int().nonnegative();
const sums = z.record(z.string(), z.number());
const common = { generation: count, atMs: z.number() };

/** Teachers that it was computed without, since they failed; absent for none. */
const dropped = z.array(z.string()).optional();

/** The answer to the numerics probe that others are compared with, and the machine that gave it. */
export const referenceSchema = z.object({
  digest: z.string(),
  backend: z.enum(['wasm', 'native']),
  provider: z.enum(['cpu', 'cuda']).optional(),
  gpu: z.string().nullable(),
  host: z.string(),
  /** What the bits depend on there, where they depend on more than the backend. */
  numerics: z.string().optional(),
});

/** The numerics' reference of a run. */
export type Reference = z.infer<typeof referenceSchema>;

export const journalLineSchema = z.discriminatedUnion('type', [
  /** Training step `step` (weights `step` -> `step` + 1) over samples [from, to) of the epoch's order. */
  z.strictObject({
    type: z.literal('commit'),
    ...common,
    step: count,
    unit: count,
    epoch: count,
    from: count,
    to: count,
    samples: count,
    /** Sums over samples by loss term, unweighted, and over how many samples each. */
    loss: sums,
    counts: sums,
    /** Other sums: correct answers among the labelled. */
    sums,
    /** Present when the step covered its samples without an update. */
    skip: z.string().optional(),
    dropped,
    /** Hash of the state after the step. */
    digest: z.string(),
  }),
  /** An evaluation under the weights after `step` steps. */
  z.strictObject({
    type: z.literal('evaluation'),
    ...common,
    step: count,
    unit: count,
    epoch: count,
    subject: z.enum(['student', 'teachers']),
    samples: count,
    sums,
    dropped,
  }),
  /**
   * A coordinator started, at this step: commits from it on that came before do not count, nor what an earlier
   * coordinator writes after.
   */
  z.strictObject({
    type: z.literal('generation'),
    ...common,
    step: count,
    /** Its commits are not in the log, so that the last of them may have been released. */
    gradients: z.literal(false).optional(),
  }),
  /**
   * In step `step` workers contributed different bits to micro-batches [from, to). `lie`: these were turned away, since
   * two others agree; `undecided`: nobody could decide between these.
   */
  z.strictObject({
    type: z.literal('audit'),
    ...common,
    step: count,
    from: count,
    to: count,
    outcome: z.enum(['lie', 'undecided']),
    workers: z.array(z.string()),
    text: z.string(),
  }),
  /**
   * After `step` steps workers were found to have made different labels. `lie`: this one is turned away, since two others
   * agree; `undecided`: nobody could decide between these.
   */
  z.strictObject({
    type: z.literal('labels'),
    ...common,
    step: count,
    outcome: z.enum(['lie', 'undecided']),
    workers: z.array(z.string()),
    text: z.string(),
  }),
  /** After `step` steps a worker failed, and said why and what it had said last. */
  z.strictObject({
    type: z.literal('failure'),
    ...common,
    step: count,
    worker: z.string(),
    host: z.string(),
    code: count,
    reason: z.string(),
    lines: z.array(z.string()),
  }),
  /** Commits from `toStep` on, and evaluations after it, are void. */
  z.strictObject({ type: z.literal('rewind'), ...common, toStep: count, reason: z.string() }),
  /** The numerics' reference, which is in probe.json from here on. */
  z.strictObject({ type: z.literal('reference'), ...common, reference: referenceSchema }),
  /** The run's results are written; `digest` is that of the student's weights, as in the summary that follows. */
  z.strictObject({ type: z.literal('results'), ...common, digest: z.string() }),
]);

/** One line of the journal. */
export type JournalLine = z.infer<typeof journalLineSchema>;

/** The line of a training step, with or without an update. */
export type CommitLine = Extract<JournalLine, { type: 'commit' }>;

/** The line of a complete evaluation. */
export type EvaluationLine = Extract<JournalLine, { type: 'evaluation' }>;

/**
 * The lines that count: those that no later rewind made void, and that were not written by a coordinator whose place
 * another had taken already. Pure.
 */
export function afterRewinds(lines: readonly JournalLine[]): JournalLine[] {
  const kept: JournalLine[] = [];
  let newest = 0;
  for (const line of lines) {
    if (line.type === 'generation') newest = line.generation;
    else if (line.generation < newest) continue;
    const toStep = line.type === 'generation' ? line.step : line.type === 'rewind' ? line.toStep : null;
    if (toStep !== null) kept.splice(0, kept.length, ...kept.filter((earlier) => survives(earlier, toStep)));
    if (line.type !== 'rewind') kept.push(line);
  }
  return kept;
}

/** Why a step without an update is no failure: the batch had no sample that any term applies to. */
export const nothingApplied = 'no loss term applied';

/** Whether a commit has no update because something failed. Pure. */
export function isFailedStep(line: CommitLine): boolean {
  return line.skip !== undefined && line.skip !== nothingApplied;
}

/** Training steps in a row that failed, at the end of these lines. Pure. */
export function skipsAtEnd(lines: readonly JournalLine[]): number {
  const commits = lines.filter((line) => line.type === 'commit');
  return commits.length - 1 - commits.findLastIndex((line) => !isFailedStep(line));
}

/** Teachers that the run goes on without after these lines. Pure. */
export function droppedAtEnd(lines: readonly JournalLine[]): readonly string[] {
  const last = lines.findLast((line) => line.type === 'commit' || line.type === 'evaluation');
  return (last?.type === 'commit' || last?.type === 'evaluation' ? last.dropped : undefined) ?? [];
}

/** Worker processes that audits have found to lie, of gradients (`audit`) or of labels (`labels`). Pure. */
export function liarsIn(lines: readonly JournalLine[], type: 'audit' | 'labels'): readonly string[] {
  return lines.flatMap((line) => (line.type === type && line.outcome === 'lie' ? line.workers : []));
}

function survives(line: JournalLine, toStep: number): boolean {
  if (line.type === 'commit') return line.step < toStep;
  return line.type === 'evaluation' ? line.step <= toStep : true;
}
