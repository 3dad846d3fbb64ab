/** The space of a search: what the recipe and the flags say, else what distillations usually are tuned by. Pure. */
import { parseDocument } from 'yaml';
import { UserError } from '../../shared/errors.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { searchRangeSchema, type SearchRange } from '../../shared/recipe/search-schema.js';
import { placeOf, termsIn } from '../../shared/recipe/terms.js';
import type { Dimension, KeyValue } from './space.js';

/** Keys that no trial may change: trials are judged by the same evaluation, and the name is no matter of quality. */
const fixed = ['search', 'name', 'baseline', 'evaluate', 'data.eval'];

/**
 * The dimensions in the order of their keys' first mention.
 *
 * @param flags each `KEY={from: 1, to: 10}` in YAML; they win over the recipe's
 * @returns null where neither says anything
 * @throws UserError 2 for a flag that is none, and for a key that trials must not change
 */
export function wantedSpace(
  recipes: Readonly<Record<string, SearchRange>> | undefined,
  flags: readonly string[],
): readonly Dimension[] | null {
  const ranges = new Map(Object.entries(recipes ?? {}));
  for (const flag of flags) {
    const { key, range } = flagged(flag);
    ranges.set(key, range);
  }
  if (ranges.size === 0) return null;
  for (const key of ranges.keys()) {
    if (fixed.some((one) => key === one || key.startsWith(`${one}.`)))
      throw new UserError(`search.space.${key}: trials are told apart and judged by it; another key wanted`);
  }
  return [...ranges].map(([key, range]) => ({ key, range }));
}

function flagged(flag: string): Dimension {
  const at = flag.indexOf('=');
  const wish = `KEY={from: A, to: B, scale: linear or log, whole: true or false} or KEY={choices: [A, B]} wanted`;
  if (at <= 0) throw new UserError(`--space ${flag}: no range given; ${wish}`);
  const document = parseDocument(flag.slice(at + 1));
  const range = document.errors.length > 0 ? undefined : searchRangeSchema.safeParse(document.toJS());
  if (range?.success !== true) throw new UserError(`--space ${flag}: no range given; ${wish}`);
  return { key: flag.slice(0, at), range: range.data };
}

/** The space of a recipe that names none: temperatures, weights of terms where there are several, the learning rate. */
export function usualSpace({ losses, optimizer }: Pick<Recipe, 'losses' | 'optimizer'>): readonly Dimension[] {
  const log = (key: string, from: number, to: number): Dimension => ({
    key,
    range: { from: rounded(from), to: rounded(to), scale: 'log', whole: false },
  });
  const terms = termsIn(losses);
  const found = terms.flatMap(({ name, weight, temperature, usualTemperatures }): Dimension[] => {
    const place = placeOf(name).join('.');
    return [
      ...(usualTemperatures === null || typeof temperature !== 'number'
        ? []
        : [log(`${place}.temperature`, Math.min(1, temperature), Math.max(10, 2 * temperature))]),
      ...(terms.length < 2 || typeof weight !== 'number' || weight === 0
        ? []
        : [log(`${place}.weight`, weight / 5, weight * 5)]),
    ];
  });
  const { learningRate } = optimizer;
  return [...found, log('optimizer.learningRate', learningRate / 10, learningRate * 10)];
}

const rounded = (value: number): number => Number(value.toPrecision(5));

/** A dimension in a line: `losses.response.temperature from 1 to 10 (log)`. */
export function dimensionText({ key, range }: Dimension): string {
  if ('choices' in range) return `${key} of ${range.choices.join(', ')}`;
  const { from, to, scale, whole } = range;
  const kinds = [...(scale === 'log' ? ['log'] : []), ...(whole ? ['whole'] : [])];
  return `${key} from ${from} to ${to}${kinds.length === 0 ? '' : ` (${kinds.join(', ')})`}`;
}

/** Values at which a recipe is looked at to know whether a range suits its key: the ends, or all choices. */
export function edgesOf({ range }: Dimension): readonly KeyValue[] {
  return 'choices' in range ? range.choices : [range.from, range.to];
}

/** What a recipe says at a key's path; undefined where it says nothing. */
export function recipeValue(recipe: unknown, key: string): unknown {
  return key.split('.').reduce<unknown>((value, part) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    return (value as Readonly<Record<string, unknown>>)[part];
  }, recipe);
}
