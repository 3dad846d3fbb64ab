/** What a `spans` message says beside its envelope: what a worker did, and how its clock is read. Pure. */
import { z } from 'zod';
import { spanLimits, workerSpanNames } from '../trace/spans.js';

const count = z.number().int().nonnegative();

export const spansFields = {
  /** The coordinator's clock reads the worker's plus `offsetMs`, give or take `errorMs`. */
  offsetMs: z.number(),
  errorMs: z.number().nonnegative(),
  /** Spans more that were not kept. */
  lost: count,
  spans: z
    .array(
      // Name, start and duration in milliseconds, step, micro-batch, lease: shared/trace/spans.ts.
      z.tuple([
        z.enum(workerSpanNames),
        z.number(),
        z.number().nonnegative(),
        count.nullable(),
        count.nullable(),
        count.nullable(),
      ]),
    )
    .min(1)
    .max(spanLimits.perMessage),
};
