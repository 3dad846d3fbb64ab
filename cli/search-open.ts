/** Opens a search: its recipe, its space and what it judges by are checked before anything is computed. */
import { join } from 'node:path';
import type { PreparedRun } from '../coordinator/plan/prepared-run.js';
import { differences } from '../coordinator/store/resolved-recipe.js';
import { UserError } from '../shared/errors.js';
import type { ReadRecipe } from '../shared/recipe/read.js';
import { searchSchema, type SearchRecipe } from '../shared/recipe/search-schema.js';
import { hasLabels, taskOf } from '../shared/task.js';
import { lookAt, openRecipe, openRun, readRecipeFile } from './open.js';
import { say, warn } from './output.js';
import { allTrials } from './search-trials.js';
import type { RunFlags } from './options.js';
import { objectiveOf, objectivesOf, type Objective } from './search/objective.js';
import type { SearchJournal } from './search/search-journal.js';
import type { SearchPlan } from './search/search-state.js';
import { assignments, pointOf, type Dimension, type TrialValues } from './search/space.js';
import { dimensionText, edgesOf, recipeValue, usualSpace, wantedSpace } from './search/wanted-space.js';

/** The flags of `search`. */
export interface SearchFlags extends RunFlags {
  readonly trials: number;
  readonly space: string[];
}

/** A search that can begin, or go on. */
export interface OpenedSearch {
  readonly recipe: ReadRecipe['recipe'];
  /** What the recipe describes without any trial's values. */
  readonly run: PreparedRun;
  readonly plan: SearchPlan;
  /** The search's folder. */
  readonly out: string;
  /**
   * Writes the first line of an empty journal, or compares that of one that goes on.
   * @throws UserError 2 where the folder holds another search
   */
  readonly begin: (journal: SearchJournal) => Promise<void>;
}

/** @throws UserError 2 for a recipe, a space or an objective that is none, 65 for damaged files and useless teachers */
export async function openSearch(file: string, flags: SearchFlags): Promise<OpenedSearch> {
  const wanted = { ...flags, set: [...flags.set, ...allTrials] };
  const read = await openRecipe(file, wanted);
  const { recipe, warnings } = read;
  warnings.forEach(warn);
  const section = read.search ?? searchSchema.parse({});
  const objective = wantedObjective(read, section, file);
  const named = wantedSpace(section.space, flags.space);
  const space = named ?? usualSpace(recipe);
  await expectUsable(space, read, { file, flags: wanted });
  const tell = flags.quiet === true ? (): void => undefined : say;
  if (named === null) tell(`no search.space in the recipe: ${space.map(dimensionText).join('; ')}`);
  const run = await openRun(recipe, file, flags);
  const out = flags.out ?? join('runs', `${recipe.name}-search`);
  const plan = planOf({ recipe, section, space, objective, trials: flags.trials });
  await lookAt(run, { tell, isJudged: true });
  return { recipe, run, plan, out, begin: (journal) => begin(journal, { run, plan, out }) };
}

/** @throws UserError 2 for one that the task does not have, and without labels to judge by */
function wantedObjective({ recipe, placeOf }: ReadRecipe, { objective }: SearchRecipe, file: string): Objective {
  const task = taskOf(recipe);
  const possible = objectivesOf(task);
  if (recipe.data.eval === undefined || !hasLabels(task, recipe.data.eval))
    throw new UserError(`${file}: data.eval: no labels; an evaluation set with labels wanted, to judge trials by`);
  if (objective !== undefined && !possible.includes(objective))
    throw new UserError(
      `${placeOf(['search', 'objective'])}: search.objective: ${objective} given; of this task one of ${possible.join(', ')} wanted`,
    );
  const [usual] = possible;
  if (usual === undefined) throw new Error(`no objective of the task ${task}`);
  return objectiveOf(objective ?? usual);
}

/** Reads the recipe at both ends of each range, and with each choice. @throws UserError 2 for a key that takes none */
async function expectUsable(
  space: readonly Dimension[],
  { placeOf }: ReadRecipe,
  { file, flags }: { readonly file: string; readonly flags: SearchFlags },
): Promise<void> {
  for (const dimension of space) {
    const { key } = dimension;
    for (const value of edgesOf(dimension)) {
      const [assignment = ''] = assignments({ [key]: value });
      try {
        await readRecipeFile(file, { ...flags, set: [...flags.set, assignment] });
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        const [first = ''] = error.message.split('\n');
        const what = first.replace(`--set ${assignment}: `, '');
        throw new UserError(`${placeOf(['search', 'space', key])}: search.space.${key}: at ${value}: ${what}`);
      }
    }
  }
}

interface PlanParts {
  readonly recipe: ReadRecipe['recipe'];
  readonly section: SearchRecipe;
  readonly space: readonly Dimension[];
  readonly objective: Objective;
  readonly trials: number;
}

function planOf({ recipe, section, space, objective, trials }: PlanParts): SearchPlan {
  const { halving, startup } = section;
  const every = recipe.evaluate.everyEpochs;
  const own = Object.fromEntries(space.map(({ key }) => [key, recipeValue(recipe, key)]));
  return {
    space,
    seed: recipe.seed,
    startup,
    // Trials can be compared where they are evaluated alone.
    halving:
      halving === false ? null : { factor: halving.factor, firstEpoch: Math.ceil(halving.firstEpoch / every) * every },
    objective,
    trials,
    own: pointOf(space, own) === null ? null : (own as TrialValues),
  };
}

async function begin(
  journal: SearchJournal,
  { run, plan, out }: Pick<OpenedSearch, 'run' | 'plan' | 'out'>,
): Promise<void> {
  const { space, seed, startup, halving, objective, own } = plan;
  const identity = { space, seed, startup, halving, objective: objective.name, own };
  const here = { recipe: run.recipeDigest, identity: JSON.parse(JSON.stringify(identity)) as typeof identity };
  const there = journal.state.origin;
  if (there === null) return journal.append({ type: 'search', version: 1, ...here });
  const [first, ...others] = differences(
    { recipe: there.recipe, ...there.identity },
    { recipe: here.recipe, ...here.identity },
  );
  if (first === undefined) return;
  const more = others.length === 0 ? '' : `; and ${others.length} more`;
  throw new UserError(`${out}: holds another search: ${first}${more}; another --out wanted, or the search as it was`);
}
