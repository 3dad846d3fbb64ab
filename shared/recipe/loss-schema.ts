/**
 * The recipe's loss terms. total = sum of weight x term; a term's own factor (T^2) belongs to the term. Numbers that
 * may change in a run are given once, or as a schedule over its steps. What each term needs is in terms.ts.
 */
import { z } from 'zod';

const positive = z.number().positive();
const fraction = z.number().min(0).max(1);
const weight = z.number().min(0);

/** value(step) from `from` to `to` between `start` and `start + steps`; constant before and after. */
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

const distance = z.enum(['mse', 'cosine', 'l1']).default('mse');
const activation = z.enum(['linear', 'relu']).default('linear');
const adapter = {
  adapter: z
    .enum(['identity', 'conv1x1', 'dense'])
    .optional()
    .describe(
      "maps the student's tap to the other's channels (conv1x1) or shape (dense); trained, and left out of exports; default identity",
    ),
  batchNorm: z.boolean().default(false).describe('after the adapter, by the statistics of the micro-batch'),
  activation,
};
const pair = z
  .object({
    student: z.string().min(1).describe("a layer's name, or logits"),
    teacher: z.string().min(1).describe('TEACHER/TAP; TEACHER/logits for what it gives'),
    ...adapter,
  })
  .strict();
const pairs = z.union([z.literal('auto'), z.array(pair).min(1)]);
const plugin = <W extends z.ZodType, T extends z.ZodType>(weightType: W, temperatureType: T) =>
  z
    .object({
      weight: weightType,
      over: z.enum(['samples', 'labelled']).default('samples').describe('the samples that it applies to'),
      soft: z
        .enum(['mixture', 'logits'])
        .optional()
        .describe(
          'what it is given of the ensemble: log-probabilities at the temperature, or the mean of the raw logits',
        ),
      temperature: temperatureType,
      pairs: z.array(pair).min(1).optional().describe('taps that it compares, in place of logits'),
      options: z.record(z.string(), z.json()).default({}).describe('handed to it as they are'),
      sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional()
        .describe('of its file; default: that of the one installed where the run is started'),
    })
    .strict();

/** A plug-in's name: the stem of its file. */
export const pluginName = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** Every term, given what a weight and a temperature may be written as. */
const termsOf = <W extends z.ZodType, T extends z.ZodType>(weightType: W, temperatureOf: (byDefault: number) => T) =>
  z
    .object({
      crossEntropy: z
        .object({ weight: weightType, labelSmoothing: fraction.default(0) })
        .strict()
        .optional(),
      regression: z
        .object({
          weight: weightType,
          distance: z.enum(['mse', 'l1', 'huber']).default('mse'),
          delta: positive.default(1).describe('huber: errors beyond it count linearly'),
        })
        .strict()
        .optional()
        .describe("the student's output against the sample's target, mean over its numbers"),
      binaryCrossEntropy: z
        .object({ weight: weightType })
        .strict()
        .optional()
        .describe("of each of the target's labels by itself, their sum"),
      response: z
        .object({ weight: weightType, temperature: temperatureOf(4) })
        .strict()
        .optional()
        .describe('T^2 x KL(ensemble || student)'),
      decoupled: z
        .object({
          weight: weightType,
          alpha: weight.default(1),
          beta: weight.default(8),
          temperature: temperatureOf(4),
        })
        .strict()
        .optional()
        .describe('DKD: T^2 x (alpha x target part + beta x the other classes)'),
      dist: z
        .object({
          weight: weightType,
          beta: weight.default(1),
          gamma: weight.default(1),
          temperature: temperatureOf(1),
        })
        .strict()
        .optional()
        .describe('DIST: T^2 x (beta x (1 - Pearson by sample) + gamma x (1 - Pearson by class))'),
      logitMse: z
        .object({ weight: weightType })
        .strict()
        .optional()
        .describe("mean square of student's minus ensemble's logits"),
      virtualTeacher: z
        .object({
          weight: weightType,
          probability: z.number().gt(0).lt(1).default(0.99),
          temperature: temperatureOf(20),
        })
        .strict()
        .optional()
        .describe('Tf-KD: a made-up teacher that gives the label this probability'),
      embedding: z
        .object({ weight: weightType, distance: z.enum(['mse', 'cosine']).default('mse') })
        .strict()
        .optional()
        .describe("the student's output against the ensemble's, as vectors"),
      multiLabel: z
        .object({ weight: weightType, temperature: temperatureOf(1) })
        .strict()
        .optional()
        .describe('binary KL of each class by itself, T^2'),
      features: z.object({ weight: weightType, distance, pairs }).strict().optional(),
      attention: z
        .object({ weight: weightType, normalize: z.enum(['none', 'l2']).default('none'), pairs })
        .strict()
        .optional(),
      selfDistillation: z
        .object({
          weight: weightType,
          from: z.array(z.string().min(1)).min(1),
          to: z.string().min(1),
          distance,
          ...adapter,
        })
        .strict()
        .optional()
        .describe('earlier taps against the later one, which is a constant'),
      exitCrossEntropy: z
        .object({ weight: weightType, labelSmoothing: fraction.default(0) })
        .strict()
        .optional()
        .describe("BYOT: cross entropy of each of the student's earlier exits, their sum"),
      exitResponse: z
        .object({ weight: weightType, temperature: temperatureOf(3) })
        .strict()
        .optional()
        .describe("BYOT: T^2 x KL(student's last exit, a constant || each earlier exit), their sum"),
      relational: z
        .object({ weight: weightType, distance: weight.default(25), angle: weight.default(50), pairs })
        .strict()
        .optional()
        .describe('RKD'),
      similarity: z.object({ weight: weightType, pairs }).strict().optional().describe('similarity preserving'),
      probabilistic: z.object({ weight: weightType, pairs }).strict().optional().describe('PKT'),
      selectivity: z.object({ weight: weightType, pairs }).strict().optional().describe('NST'),
      correlation: z.object({ weight: weightType, pairs }).strict().optional().describe('correlation congruence'),
      plugins: z
        .record(
          z.string().regex(pluginName, 'the stem of its file wanted: letters, digits, "-", "_"'),
          plugin(weightType, temperatureOf(4)),
        )
        .optional()
        .describe('losses from modules that are installed on every worker, by name'),
    })
    .strict();

export const lossSchema = termsOf(z.union([weight, scheduleOf(weight)]), (byDefault) =>
  z.union([positive, scheduleOf(positive)]).default(byDefault),
);
/** The same with every number as it is in one step. */
export const lossesAtStepSchema = termsOf(weight, (byDefault) => positive.default(byDefault));

export type Losses = z.infer<typeof lossSchema>;
export type LossesAtStep = z.infer<typeof lossesAtStepSchema>;
export type TermName = Exclude<keyof Losses, 'plugins'>;
export type PluginTerm = `plugins.${string}`;
/** What a loss is called in sums, divisors and reports. */
export type LossName = TermName | PluginTerm;
export type PluginRecipe = NonNullable<Losses['plugins']>[string];
export type PairRecipe = z.infer<typeof pair>;
export type Schedule = Extract<NonNullable<Losses['crossEntropy']>['weight'], object>;
