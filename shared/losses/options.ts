/**
 * The zod schemas of which the options of losses are made: numbers, numbers that change over a run's steps, and pairs
 * of taps. Pure.
 */
import { z } from 'zod';
import { nonNegative, positive } from '../numbers.js';

/** value(step) goes from `from` to `to` between `start` and `start + steps`, and is constant before and after. */
const scheduleOf = <T extends z.ZodType<number>>(value: T) =>
  z
    .object({
      from: value,
      to: value,
      over: z
        .enum(['linear', 'cosine', 'step'])
        .default('linear')
        .describe('how it gets from one to the other; step: at the end, at once'),
      start: z.number().int().nonnegative().default(0).describe('training step of the beginning'),
      steps: z.number().int().positive().optional().describe('steps that it takes; default: the rest of the run'),
    })
    .strict();

/** A loss's factor in the total: a number, or a schedule. */
export const weightSchema = z.union([nonNegative, scheduleOf(nonNegative)]);
/** What logits are divided by before the softmax: a number, or a schedule. */
export const temperatureSchema = z.union([positive, scheduleOf(positive)]);

/** A number that is the same in every step, or a schedule of it. */
export type Scheduled = z.infer<typeof weightSchema>;
export type LossSchedule = Extract<Scheduled, object>;

/** Temperatures outside of these make labels uniform or hard, of which a recipe is warned. */
export const usualTemperatures = [1, 20] as const;

/** How the student's tap is brought to the shape of the other side. */
export const adapterOptions = {
  adapter: z
    .enum(['identity', 'conv1x1', 'dense'])
    .optional()
    .describe(
      "maps the student's tap to the other's channels (conv1x1) or shape (dense); trained, and left out of exports; default identity",
    ),
  batchNorm: z.boolean().default(false).describe('after the adapter, by the statistics of the micro-batch'),
  activation: z.enum(['linear', 'relu']).default('linear'),
};

export const pairSchema = z
  .object({
    student: z.string().min(1).describe("a layer's name, or logits"),
    teacher: z.string().min(1).describe('TEACHER/TAP; TEACHER/logits for what it gives'),
    ...adapterOptions,
  })
  .strict();

/** Pairs of a student's and a teacher's taps by name; `auto`: found by their sizes before the run starts. */
export const pairsSchema = z.union([z.literal('auto'), z.array(pairSchema).min(1)]);

export type PairRecipe = z.infer<typeof pairSchema>;
