/** The recipe's optimizer, with the schedule of its learning rate. Unknown keys are refused everywhere. */
import { z } from 'zod';
import { fraction, positiveInt } from '../numbers.js';

const schedule = z.discriminatedUnion('name', [
  z.object({ name: z.literal('constant'), warmupSteps: z.number().int().nonnegative().default(0) }).strict(),
  z
    .object({
      name: z.literal('step'),
      everySteps: positiveInt.optional(),
      milestones: z.array(positiveInt).optional(),
      gamma: z.number().positive().default(0.1),
      warmupSteps: z.number().int().nonnegative().default(0),
    })
    .strict(),
  z
    .object({
      name: z.literal('cosine'),
      finalFraction: fraction.default(0),
      warmupSteps: z.number().int().nonnegative().default(0),
    })
    .strict(),
]);

const beta = z.number().min(0).max(1);
const commonOptimizer = {
  learningRate: z.number().positive(),
  weightDecay: z.number().min(0).default(0),
  decayExclude: z
    .array(z.string())
    .default([])
    .describe('name patterns (* matches any run of characters) of weights that do not decay'),
  clipNorm: z.number().positive().optional().describe('greatest global norm of the gradient'),
  schedule: schedule.optional(),
  ema: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('decay of an exponential moving average of the weights, 0 for none'),
  freeze: z.array(z.string()).default([]).describe('name patterns of weights that stay as they are'),
  groups: z
    .array(
      z
        .object({
          match: z.array(z.string()).min(1),
          learningRateScale: z.number().min(0).default(1),
          weightDecay: z.number().min(0).optional(),
        })
        .strict(),
    )
    .default([]),
};
export const optimizerSchema = z.discriminatedUnion('name', [
  z
    .object({
      name: z.literal('sgd'),
      momentum: beta.default(0),
      nesterov: z.boolean().default(false),
      ...commonOptimizer,
    })
    .strict(),
  z
    .object({
      name: z.literal('adam'),
      beta1: beta.default(0.9),
      beta2: beta.default(0.999),
      epsilon: z.number().positive().default(1e-8),
      ...commonOptimizer,
    })
    .strict(),
  z
    .object({
      name: z.literal('adamw'),
      beta1: beta.default(0.9),
      beta2: beta.default(0.999),
      epsilon: z.number().positive().default(1e-8),
      ...commonOptimizer,
    })
    .strict(),
]);
