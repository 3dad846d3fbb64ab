/** The total loss written out, as it is printed before the first step and stands in the model card. Pure. */
import type { Scheduled } from '../losses/options.js';
import type { WeightRule } from '../ensemble/weighting.js';
import type { TapPair } from '../losses/term.js';
import type { Recipe } from './schema.js';
import { termsIn, type LossTerm } from './terms.js';

/**
 * The total and the ensemble with every factor visible: weights as they are, T^2, shares of the ensemble, temperatures.
 *
 * @returns a line for the total, and one for the ensemble where there is one
 */
export function describeLosses({ losses, teachers, ensemble, labels }: Recipe): string[] {
  const total = `total = ${termsIn(losses)
    .map((term) => `${written(term.weight)} x ${factorsOf(term)}`)
    .join(' + ')}`;
  if (labels.from !== undefined) return [total, `ensemble = the labels in ${labels.from}`];
  if (teachers.length === 0) return [total];
  const sum = teachers.reduce((weights, { weight }) => weights + weight, 0);
  const shares = teachers.map(
    ({ name, weight, temperature, specialist }) =>
      `${(weight / (sum || 1)).toFixed(4)} x ${name}${temperature === undefined ? '' : ` at T=${temperature}`}${specialist === undefined ? '' : ` for ${specialist.join(', ')} alone`}`,
  );
  const factor = ensemble.weights === undefined ? '' : weightTexts[ensemble.weights.by];
  const chosen = ensemble.route === undefined ? '' : `, those that ${ensemble.route.column} chooses for each sample`;
  const routing = ensemble.subset === undefined ? chosen : `, ${ensemble.subset} of them for each sample`;
  return [total, `ensemble (${ensemble.combine}) = ${shares.join(' + ')}${factor}${routing}`];
}

/** What the shares are multiplied by for each sample. */
const weightTexts = {
  confidence: ', each times its greatest probability of the sample',
  entropy: ', each over the perplexity of its answer for the sample',
  label: ", each times its probability of the sample's label",
} satisfies Record<WeightRule, string>;

/** A term's own factors; T^2 as a number while the temperature is constant. */
function factorsOf(term: LossTerm): string {
  const { name, temperature, pairs, soft } = term;
  const at = `T=${written(temperature)}`;
  const square = typeof temperature === 'number' ? String(temperature * temperature) : 'T^2';
  switch (term.on) {
    case 'answer':
    case 'exits':
      return term.written({ square, at });
    case 'pairs':
      return `${name}${writtenPairs(pairs)}`;
    case 'plugin':
      return `${name}${writtenPairs(pairs)}${soft === 'mixture' ? ` at ${at}` : ''}`;
  }
}

function writtenPairs(pairs: LossTerm['pairs']): string {
  const one = ({ student, teacher, to, adapter }: TapPair): string =>
    `${student} -> ${teacher ?? to}${adapter === undefined || adapter === 'identity' ? '' : ` by ${adapter}`}`;
  return pairs === 'auto' || pairs.length === 0 ? '' : ` (${pairs.map(one).join(', ')})`;
}

function written(value: Scheduled): string {
  return typeof value === 'number' ? String(value) : `(${value.from} to ${value.to}, ${value.over})`;
}
