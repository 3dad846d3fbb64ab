/** What the coordinator and a worker that only labels tell each other, as JSON under /labels/. */
import { z } from 'zod';
import { artifactSchema, teacherSchema } from '../protocol/messages.js';

/** `GET /labels/run`: what is to be labelled, and by which teachers. */
export const labelRunSchema = z
  .object({
    recipe: z.unknown(),
    recipeDigest: z.string(),
    teachers: z.array(teacherSchema).max(64),
    manifest: artifactSchema,
  })
  .strict();
export type LabelRun = z.infer<typeof labelRunSchema>;

const count = z.number().int().nonnegative();
/**
 * `POST /labels/lease`, with `{"worker": NAME}`. `wait`: others hold all that is left. `done`: nothing is left, or
 * wanted any more.
 */
export const labelLeaseSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('lease'), view: count, block: count }).strict(),
  z.object({ type: z.literal('wait') }).strict(),
  z.object({ type: z.literal('done') }).strict(),
]);
export type LabelLease = z.infer<typeof labelLeaseSchema>;

/** Names the labelling worker in what it sends. */
export const workerHeader = 'x-stillhouse-worker';
