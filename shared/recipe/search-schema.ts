/** The recipe's section for `stillhouse search`: what it may change, and what it judges by. Runs do not depend on it. */
import { z } from 'zod';
import { positiveInt } from '../numbers.js';

/** What trials may be judged by; which of them a task has is known where the search begins. */
export const objectiveNames = [
  'accuracy',
  'exactMatch',
  'r2',
  'mse',
  'mae',
  'microF1',
  'macroF1',
  'labelAccuracy',
  'loss',
  'calibrationError',
] as const;
export type ObjectiveName = (typeof objectiveNames)[number];

const numbers = z
  .object({
    from: z.number().describe('the least value'),
    to: z.number().describe('the greatest value'),
    scale: z.enum(['linear', 'log']).default('linear').describe('log: equal factors are equally far from each other'),
    whole: z.boolean().default(false).describe('whole numbers alone'),
  })
  .strict()
  .refine(({ from, to }) => from < to, { path: ['to'], error: 'a number above `from`' })
  .refine(({ from, scale }) => scale === 'linear' || from > 0, {
    path: ['from'],
    error: 'with scale: log, a number above 0',
  })
  .refine(({ from, to, whole }) => !whole || (Number.isInteger(from) && Number.isInteger(to)), {
    path: ['whole'],
    error: 'whole numbers as from and to, or false',
  });

const choices = z
  .object({
    choices: z
      .array(z.union([z.number(), z.string(), z.boolean()]))
      .min(2)
      .describe('the values that the key may have'),
  })
  .strict()
  .refine((range) => new Set(range.choices).size === range.choices.length, {
    path: ['choices'],
    error: 'values that differ from each other',
  });

/** What a key may be in a search: a number between two ends, or one of several values. */
export const searchRangeSchema = z.union([numbers, choices]);
export type SearchRange = z.infer<typeof searchRangeSchema>;

export const searchSchema = z
  .object({
    objective: z
      .enum(objectiveNames)
      .optional()
      .describe(
        "the figure of the student's evaluation that trials are judged by; default: accuracy, of targets r2, of several labels microF1",
      ),
    space: z
      .record(z.string(), searchRangeSchema)
      .refine((space) => Object.keys(space).length > 0, { error: 'at least one key and its range' })
      .optional()
      .describe(
        'by the key as --set has it, such as losses.response.temperature, its range; default: temperatures, weights and the learning rate',
      ),
    startup: positiveInt
      .default(10)
      .describe('trials that are spread over the space before the others are proposed by what was found'),
    halving: z
      .union([
        z.literal(false),
        z
          .object({
            factor: z
              .number()
              .int()
              .min(2)
              .default(3)
              .describe('of the trials that came so far, one of so many goes on'),
            firstEpoch: positiveInt.default(1).describe('the epoch at which trials are halved first'),
          })
          .strict(),
      ])
      .prefault({})
      .describe('when a trial ends before its last epoch; false: never'),
  })
  .strict();
export type SearchRecipe = z.infer<typeof searchSchema>;
