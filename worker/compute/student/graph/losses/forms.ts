/**
 * Which losses can be part of a student's graph, a line each. A loss that keeps its function in JavaScript has null: its
 * recipe's micro-batches are then computed in two parts.
 */
import type { BuiltInLoss } from '../../../../../shared/losses/table.js';
import type { Losses } from '../../../../../shared/recipe/loss-schema.js';
import { termsIn, type LossTerm } from '../../../../../shared/recipe/terms.js';
import { crossEntropy, decoupled, dist, response, virtualTeacher } from './distribution-forms.js';
import { binaryCrossEntropy, embedding, logitMse, multiLabel, regression } from './element-forms.js';
import type { OutputForm, PairForm } from './form.js';
import { attention, features } from './map-forms.js';

type Form = OutputForm | PairForm;

const onPairs = (write: PairForm['write']): PairForm => ({ on: 'pairs', write });

/** The form of a loss that a recipe may have. */
const given = <O>(options: O | undefined, formOf: (options: O) => Form): Form | null =>
  options === undefined ? null : formOf(options);

const forms: Readonly<Record<BuiltInLoss, ((losses: Losses) => Form | null) | null>> = {
  crossEntropy: (losses) => given(losses.crossEntropy, crossEntropy),
  regression: (losses) => given(losses.regression, regression),
  binaryCrossEntropy: () => binaryCrossEntropy,
  response: () => response,
  decoupled: (losses) => given(losses.decoupled, decoupled),
  dist: (losses) => given(losses.dist, dist),
  logitMse: () => logitMse,
  virtualTeacher: (losses) => given(losses.virtualTeacher, virtualTeacher),
  embedding: (losses) => given(losses.embedding, embedding),
  multiLabel: () => multiLabel,
  features: (losses) => given(losses.features, (options) => onPairs(features(options))),
  attention: (losses) => given(losses.attention, (options) => onPairs(attention(options))),
  selfDistillation: (losses) => given(losses.selfDistillation, (options) => onPairs(features(options))),
  exitCrossEntropy: (losses) => given(losses.exitCrossEntropy, crossEntropy),
  exitResponse: () => response,
  relational: null,
  similarity: null,
  probabilistic: null,
  selectivity: null,
  correlation: null,
};

/** A term of the recipe with its form. */
export interface FormedTerm {
  readonly term: LossTerm;
  readonly form: Form;
}

/**
 * The recipe's terms in their order, each with its form.
 *
 * @param classes numbers of an output: without a second class nothing is apart from the label's
 * @returns null where a term has none
 */
export function formedTerms(losses: Losses, classes: number): readonly FormedTerm[] | null {
  const formed: FormedTerm[] = [];
  for (const term of termsIn(losses)) {
    const form = term.on === 'plugin' ? null : formNamed(term.name, losses);
    if (form === null || (form.on === 'outputs' && form.labels === 'plain' && classes < 2)) return null;
    formed.push({ term, form });
  }
  return formed;
}

function formNamed(name: string, losses: Losses): Form | null {
  return isBuiltIn(name) ? (forms[name]?.(losses) ?? null) : null;
}

function isBuiltIn(name: string): name is BuiltInLoss {
  return Object.hasOwn(forms, name);
}
