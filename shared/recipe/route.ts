/** Which teachers label which samples, by what a column of the data says of them (`ensemble.route`). Pure. */
import type { Recipe } from './schema.js';

/** The recipe's route with its groups of teachers by number. */
export interface RoutePlan {
  /** Names of the teachers that label a sample together, in the recipe's order; each group once. */
  readonly groups: readonly (readonly string[])[];
  /**
   * The number of the group of samples of which the column says this; null where nobody labels them.
   * @param value null where the column says nothing
   */
  readonly groupOf: (value: string | null) => number | null;
  /** What the column may hold. */
  readonly known: readonly string[];
}

/** Null for a recipe without a route. */
export function routePlan({ ensemble: { route }, teachers }: Pick<Recipe, 'ensemble' | 'teachers'>): RoutePlan | null {
  if (route === undefined) return null;
  const names = teachers.map(({ name }) => name);
  const ways = new Map(
    Object.entries(route.teachers ?? Object.fromEntries(names.map((name) => [name, name]))).map(
      ([value, given]) => [value.trim(), inOrder(given, names)] as const,
    ),
  );
  const otherwise = route.otherwise === undefined ? null : inOrder(route.otherwise, names);
  const all = [...ways.values(), ...(otherwise === null ? [] : [otherwise])];
  const groups = [...new Map(all.map((group) => [keyOf(group), group])).values()];
  const numbers = new Map(groups.map((group, i) => [keyOf(group), i]));
  return {
    groups,
    groupOf: (value) => {
      const group = (value === null ? undefined : ways.get(value)) ?? otherwise;
      return group === null ? null : (numbers.get(keyOf(group)) ?? null);
    },
    known: [...ways.keys()],
  };
}

/** These names, each once, in the order of the recipe's teachers. */
function inOrder(given: string | readonly string[], names: readonly string[]): string[] {
  const wanted = new Set([given].flat());
  return names.filter((name) => wanted.has(name));
}

function keyOf(group: readonly string[]): string {
  return JSON.stringify(group);
}
