/** What the schema cannot say: fields of a recipe that must fit each other. Pure. */
import { augmentProblems, dataProblems, dataWarnings, targetProblems, unlabelledProblems } from './check-data.js';
import {
  lossProblems,
  temperatureWarnings,
  unusedExitWarnings,
  unusedTermWarnings,
  weightedSampleProblems,
} from './check-losses.js';
import { lengthProblems, optimizerProblems } from './check-optimizer.js';
import { sequenceProblems } from './check-sequences.js';
import {
  failureProblems,
  keptLabelProblems,
  mixingProblems,
  servedProblems,
  routingProblems,
  teacherProblems,
  teacherWarnings,
} from './check-teachers.js';
import { routeProblems, routeWarnings } from './check-route.js';
import type { Finding } from './finding.js';
import type { Recipe } from './schema.js';

/** @returns what refuses the recipe, and what it is warned of, both in the order in which they are printed */
export function checkFields(recipe: Recipe): { problems: Finding[]; warnings: Finding[] } {
  return {
    problems: [
      ...lossProblems(recipe),
      ...lengthProblems(recipe),
      ...teacherProblems(recipe),
      ...failureProblems(recipe),
      ...targetProblems(recipe),
      ...sequenceProblems(recipe),
      ...dataProblems(recipe),
      ...unlabelledProblems(recipe),
      ...weightedSampleProblems(recipe),
      ...augmentProblems(recipe),
      ...keptLabelProblems(recipe),
      ...routingProblems(recipe),
      ...routeProblems(recipe),
      ...mixingProblems(recipe),
      ...servedProblems(recipe),
      ...optimizerProblems(recipe.optimizer),
    ],
    warnings: [
      ...unusedExitWarnings(recipe),
      ...unusedTermWarnings(recipe),
      ...dataWarnings(recipe),
      ...teacherWarnings(recipe),
      ...routeWarnings(recipe),
      ...temperatureWarnings(recipe),
    ],
  };
}
