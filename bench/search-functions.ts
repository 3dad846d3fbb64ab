/** Closed-form functions that searches are tried on, and a search of ours on one. The less, the better. */
import { propose } from '../cli/search/proposals.js';
import { choicesIn, valuesAt, type Dimension, type Point, type TrialValues } from '../cli/search/space.js';

/** A function to minimise, and the space that it is searched in. */
export interface ClosedForm {
  readonly space: readonly Dimension[];
  readonly at: (values: TrialValues) => number;
  /** The least value of the function. */
  readonly least: number;
}

const numbers = (key: string, from: number, to: number, more: { log?: boolean; whole?: boolean } = {}): Dimension => ({
  key,
  range: { from, to, scale: more.log === true ? 'log' : 'linear', whole: more.whole === true },
});

/** Branin's function of two numbers, with three equal minima. */
function branin({ x, y }: TrialValues): number {
  const [u, v] = [Number(x), Number(y)];
  const square = (v - (5.1 / (4 * Math.PI ** 2)) * u ** 2 + (5 / Math.PI) * u - 6) ** 2;
  return square + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(u) + 10;
}

/** By choice: how far it moves the best rate, in powers of ten, and what it costs. */
const kinds: Readonly<Record<string, readonly [shift: number, cost: number]>> = {
  a: [0, 0.4],
  b: [0.5, 0],
  c: [-0.5, 0.2],
  d: [1, 0.8],
};

/** Five keys as a distillation has them: a rate and a temperature by factors, a share, a whole number, a choice. */
function mixed({ rate, temperature, weight, size, kind }: TrialValues): number {
  const [shift, cost] = kinds[String(kind)] ?? [0, 0];
  const heat = Math.log(Number(temperature)) / Math.log(20);
  return (
    (Math.log10(Number(rate)) + 2.5 + shift) ** 2 +
    4 * (Number(weight) - 0.3 - 0.3 * heat) ** 2 +
    4 * (heat - 0.45) ** 2 +
    Math.abs(Number(size) - 24) / 40 +
    cost
  );
}

export const closedForms: Readonly<Record<'branin' | 'mixed', ClosedForm>> = {
  branin: { space: [numbers('x', -5, 10), numbers('y', 0, 15)], at: branin, least: 0.397887 },
  mixed: {
    space: [
      numbers('rate', 1e-5, 1e-1, { log: true }),
      numbers('temperature', 1, 20, { log: true }),
      numbers('weight', 0, 1),
      numbers('size', 1, 64, { whole: true }),
      { key: 'kind', range: { choices: ['a', 'b', 'c', 'd'] } },
    ],
    at: mixed,
    least: 0,
  },
};

/**
 * How far the best of some trials is above the function's least value.
 * @param startup trials before proposals follow from what was found; as many as trials: none do
 */
export function regretOf({ space, at, least }: ClosedForm, seed: number, trials: number, startup = 10): number {
  const axes = space.map(choicesIn);
  const seen: { readonly point: Point; readonly value: number }[] = [];
  for (let trial = 0; trial < trials; trial++) {
    const ranked = [...seen].sort((a, b) => a.value - b.value).map(({ point }) => point);
    const point = propose({ axes, seed, startup }, { trial, attempt: 0 }, ranked);
    seen.push({ point, value: at(valuesAt(space, point)) });
  }
  return Math.min(...seen.map(({ value }) => value)) - least;
}
