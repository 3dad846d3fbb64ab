/** What each loss term needs of data and teachers, in one table. Pure. */
import type { Losses, Schedule, TermName } from './loss-schema.js';

export interface TermNeeds {
  /** What its sum is divided by: all samples of the global batch, or the labelled ones, to which alone it applies. */
  readonly over: 'samples' | 'labelled';
  /** Of the ensemble: the mixture at the term's temperature, the mean of the raw logits, or nothing. */
  readonly soft: 'mixture' | 'logits' | null;
}

const onLogits = (over: TermNeeds['over'], soft: TermNeeds['soft']): TermNeeds => ({ over, soft });

export const terms: Readonly<Record<TermName, TermNeeds>> = {
  crossEntropy: onLogits('labelled', null),
  response: onLogits('samples', 'mixture'),
  decoupled: onLogits('labelled', 'mixture'),
  dist: onLogits('samples', 'mixture'),
  logitMse: onLogits('samples', 'logits'),
  virtualTeacher: onLogits('labelled', null),
  embedding: onLogits('samples', 'logits'),
  multiLabel: onLogits('samples', 'logits'),
};

const names: readonly string[] = Object.keys(terms);

export function isTerm(name: string): name is TermName {
  return names.includes(name);
}

/** The recipe's terms, in the table's order. */
export function termsIn(losses: Partial<Record<TermName, unknown>>): TermName[] {
  return names.filter(isTerm).filter((name) => losses[name] !== undefined);
}

/** A term's temperature; 1 for one that has none. */
export function temperatureOf(losses: Losses, term: TermName): number | Schedule {
  const options = losses[term];
  return options !== undefined && 'temperature' in options ? options.temperature : 1;
}

/** What teachers without a temperature of their own are softened by where nothing else is said: the first soft term's, at its beginning. */
export function baseTemperature(losses: Losses): number {
  const [first] = termsIn(losses).filter((term) => terms[term].soft === 'mixture');
  const temperature = first === undefined ? 1 : temperatureOf(losses, first);
  return typeof temperature === 'number' ? temperature : temperature.from;
}
