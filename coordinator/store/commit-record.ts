/** What is kept of a commit beside its payload. */
import { z } from 'zod';
import { compressions } from '../../shared/compression.js';
import { scalarsSchema } from '../../shared/protocol/messages.js';
import { journalLineSchema } from './journal.js';

const count = z.number().int().nonnegative();
export const commitRecordSchema = z.object({
  step: count,
  /** Index of the unit in the run's plan. */
  unit: count,
  scalars: scalarsSchema,
  /** How the payload's gradient is rounded; a run may go on with another compression. */
  compression: z.enum(compressions).default('none'),
  /** Bytes of the payload; 0 for a skip. */
  bytes: count,
  digest: z.string(),
  momentCounts: z.array(count),
  /** Hash of each piece of the payload (shared/replica/piece-hash.ts). */
  hashes: z.array(z.string()).optional(),
  /** CRC-32 of each piece, which earlier versions wrote in their place. */
  checksums: z.array(count).optional(),
  /** Hash of the state after this commit. */
  stateHash: z.string(),
  /** The commit's journal line, so that the journal can be completed from the log. */
  line: journalLineSchema,
  /** The chain of the journal before that line; earlier versions did not write it. */
  before: z.string().optional(),
});

/** The header of a commit's record in the log. */
export type CommitRecord = z.infer<typeof commitRecordSchema>;
