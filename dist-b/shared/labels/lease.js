/** What the coordinator and a worker that only labels tell each other, as JSON under /labels/. */
import { z } from 'zod';
import { artifactSchema, teacherSchema } from '../protocol/messages.js';
/** `GET /labels/run`: what is to be labelled, and by which teachers. */
export const labelRunSchema = z.object({ recipe: z.unknown(), recipeDigest: z.string(), teachers: z.array(teacherSchema).max(64), manifest: artifactSchema }).strict();
const count = z.number().int().nonnegative();
/** `POST /labels/lease`, with `{"worker": NAME}`. `wait`: others hold all that is left. `done`: nothing is left. */
export const labelLeaseSchema = z.discriminatedUnion('type', [
    z.object({ type: z.literal('lease'), view: count, block: count }).strict(),
    z.object({ type: z.literal('wait') }).strict(),
    z.object({ type: z.literal('done') }).strict(),
]);
/** Names the labelling worker in what it sends. */
export const workerHeader = 'x-stillhouse-worker';
//# sourceMappingURL=lease.js.map