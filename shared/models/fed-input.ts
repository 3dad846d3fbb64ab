/** What one input of a model with several is given of a sample, whose elements are one part (column) after the other. */
import { z } from 'zod';

const count = z.number().int().nonnegative();

const fromSchema = z.union([
  z.object({ elements: z.array(z.tuple([count, count])).max(65536), padding: z.number().optional() }).strict(),
  z.object({ fill: z.number() }).strict(),
]);

export const fedInputSchema = z
  .object({
    name: z.string().min(1).max(256),
    /** The shape of one sample, channels last. */
    shape: z.array(count).max(16),
    /**
     * Elements of the sample, in ranges of a first one and a length; with `padding` a mask of them, 1 where they are
     * another number. Or one number everywhere.
     */
    from: fromSchema,
  })
  .strict();

export type FedInput = z.infer<typeof fedInputSchema>;
