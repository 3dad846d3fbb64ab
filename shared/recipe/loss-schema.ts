/**
 * The recipe's losses: the schema of each follows from its description in shared/losses/table.ts, and plug-ins stand
 * beside them. total = sum of weight x term; a term's own factor (T^2) belongs to the term. Pure.
 */
import { z } from 'zod';
import type { OptionsIn } from '../losses/loss.js';
import { pairSchema, temperatureSchema, weightSchema } from '../losses/options.js';
import { lossTable } from '../losses/table.js';

/** A plug-in's name: the stem of its file. */
export const pluginName = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

const pluginSchema = z
  .object({
    weight: weightSchema,
    over: z.enum(['samples', 'labelled']).default('samples').describe('the samples that it applies to'),
    soft: z
      .enum(['mixture', 'logits'])
      .optional()
      .describe(
        'what it is given of the ensemble: log-probabilities at the temperature, or the mean of the raw logits',
      ),
    temperature: temperatureSchema.default(4),
    pairs: z.array(pairSchema).min(1).optional().describe('taps that it compares, in place of logits'),
    options: z.record(z.string(), z.json()).default({}).describe('handed to it as they are'),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits')
      .optional()
      .describe('of its file; default: that of the one installed where the run is started'),
  })
  .strict();

export type PluginRecipe = z.infer<typeof pluginSchema>;

type BuiltInLosses = {
  readonly [L in (typeof lossTable)[number] as L['name']]?: OptionsIn<L['options']> | undefined;
};

export interface Losses extends BuiltInLosses {
  readonly plugins?: Readonly<Record<string, PluginRecipe>> | undefined;
}

/** The schema of one loss of the table, with its weight before its own options and its temperature behind them. */
function schemaOf({ options, temperature, description }: (typeof lossTable)[number]): z.ZodType {
  const schema = z
    .object({
      weight: weightSchema,
      ...options,
      ...(temperature === undefined ? {} : { temperature: temperatureSchema.default(temperature.default) }),
    })
    .strict()
    .optional();
  return description === undefined ? schema : schema.describe(description);
}

/** The annotation says what the table's own types say: TypeScript cannot follow the names through a list. */
export const lossSchema: z.ZodType<Losses> = z
  .object({
    ...Object.fromEntries(lossTable.map((loss) => [loss.name, schemaOf(loss)])),
    plugins: z
      .record(z.string().regex(pluginName, 'the stem of its file wanted: letters, digits, "-", "_"'), pluginSchema)
      .optional()
      .describe('losses from modules that are installed on every worker, by name'),
  })
  .strict();
