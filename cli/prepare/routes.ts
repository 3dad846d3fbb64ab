/** Who labels each sample of a data set, by what a column says of it (`ensemble.route`). Pure. */
import type { DataSet } from '../../shared/data/manifest.js';
import { counted } from '../../shared/counted.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import { routePlan } from '../../shared/recipe/route.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { sha256Of } from '../../shared/sha256.js';
import type { WrittenData } from './shards.js';

/** The routes of a data set as its manifest has them, and the artifact that they lie in. */
export interface PreparedRoutes {
  readonly routes: NonNullable<DataSet['routes']>;
  /** [samples] numbers of groups. */
  readonly bytes: Uint8Array;
  /** How many samples each teacher labels, in the recipe's order. */
  readonly samples: ReadonlyMap<string, number>;
}

/**
 * @param name of the data set in the recipe, for errors
 * @returns null for a recipe without a route
 * @throws UserError 65 for a sample that nobody labels
 */
export function routesOf(
  recipe: Recipe,
  name: 'data.train' | 'data.eval',
  { dataSet, routes }: Pick<WrittenData, 'dataSet' | 'routes'>,
): PreparedRoutes | null {
  const plan = routePlan(recipe);
  if (plan === null || dataSet.samples === 0) return null;
  if (routes === undefined) throw new Error(`${name} was read without its routes`);
  const column = recipe.ensemble.route?.column ?? '';
  const groupBy = [null, ...routes.values].map((value) => plan.groupOf(value));
  const bytes = Uint8Array.from(routes.of, (place, sample) => {
    const group = groupBy[place + 1] ?? null;
    if (group !== null) return group;
    const said = place < 0 ? 'nothing' : JSON.stringify(routes.values[place]);
    throw new UserError(
      `${name}: sample ${sample} has ${said} in ${column}; one of ${plan.known.join(', ')} wanted, or ensemble.route.otherwise`,
      exitCodes.data,
    );
  });
  const sizes = new Uint32Array(plan.groups.length);
  for (const group of bytes) sizes[group] = (sizes[group] ?? 0) + 1;
  const samples = new Map(
    recipe.teachers.map(({ name: teacher }) => [
      teacher,
      plan.groups.reduce((sum, group, i) => sum + (group.includes(teacher) ? (sizes[i] ?? 0) : 0), 0),
    ]),
  );
  const teachers = plan.groups.map((group) => [...group]);
  return { routes: { sha256: sha256Of([Buffer.from(bytes)]), bytes: bytes.length, teachers }, bytes, samples };
}

/** How many samples of the training set each teacher labels, in a line. */
export function routeText({ ensemble: { route } }: Recipe, { bytes, samples }: PreparedRoutes): string {
  const each = [...samples].map(([teacher, count]) => `${teacher} ${count}`).join(', ');
  return `data.train: by ${route?.column ?? ''}, of ${counted(bytes.length, 'sample')} each teacher labels: ${each}`;
}
