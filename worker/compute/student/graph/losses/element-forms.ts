/**
 * Losses that compare each number of an output by itself, or all of them as a vector, as nodes in float64. The formulas,
 * and where they are from, stand at the losses of the same names in shared/losses. Pure.
 */
import { cosines } from './directions.js';
import type { Doubles } from './doubles.js';
import type { OutputForm, OutputGiven, RowsAndSlopes } from './form.js';

/** The value of each element and its slope by the output, [rows x classes]. */
interface Elements {
  readonly values: string;
  readonly slopes: string;
}

function summed(math: Doubles, { values, slopes }: Elements): RowsAndSlopes {
  return { values: math.sum(values, 1), slopes };
}

function meanOf(math: Doubles, { values, slopes }: Elements, classes: number): RowsAndSlopes {
  return { values: math.mean(values, 1), slopes: math.times(slopes, 1 / classes) };
}

const onOutput = (write: (given: OutputGiven) => RowsAndSlopes): OutputForm => ({
  on: 'outputs',
  labels: 'none',
  write,
});

type Penalty = (math: Doubles, off: string) => Elements;

const squares: Penalty = (math, off) => ({ values: math.square(off), slopes: math.times(off, 2) });
const absolutes: Penalty = (math, off) => ({ values: math.of('Abs', off), slopes: math.of('Sign', off) });

/** With c = off between -delta and delta: c (off - c / 2), which is linear beyond. */
const huberOf =
  (delta: number): Penalty =>
  (math, off) => {
    const slopes = math.atLeast(math.atMost(off, delta), -delta);
    return { values: math.multiply(slopes, math.subtract(off, math.times(slopes, 0.5))), slopes };
  };

const meanPenalty = (penalty: Penalty): OutputForm =>
  onOutput(({ math, z, target, classes }) => meanOf(math, penalty(math, math.subtract(z, target)), classes));

export const logitMse = meanPenalty(squares);

export function regression({
  distance,
  delta,
}: {
  readonly distance: 'mse' | 'l1' | 'huber';
  readonly delta: number;
}): OutputForm {
  return meanPenalty({ mse: squares, l1: absolutes, huber: huberOf(delta) }[distance]);
}

export function embedding({ distance }: { readonly distance: 'mse' | 'cosine' }): OutputForm {
  return distance === 'mse' ? logitMse : cosineDistance;
}

const cosineDistance = onOutput(({ math, z, target }) => {
  const found = cosines(math, [z, target], 1);
  return { values: math.subtract(math.number(1), found.cosines), slopes: math.of('Neg', found.slopes) };
});

/** sum -(t log s(z) + (1 - t) log s(-z)). */
export const binaryCrossEntropy = onOutput(({ math, z, target }) => {
  const logs = logLogistics(math, z);
  const [on, off] = [
    math.multiply(target, logs.of),
    math.multiply(math.subtract(math.number(1), target), logs.ofNegative),
  ];
  return summed(math, {
    values: math.of('Neg', math.add(on, off)),
    slopes: math.subtract(math.of('Exp', logs.of), target),
  });
});

/** T^2 sum KL(s(u / T) || s(z / T)) of each label by itself. */
export const multiLabel = onOutput(({ math, z, target, temperature }) => {
  const [own, other] = [z, target].map((logits) => logLogistics(math, math.divide(logits, temperature)));
  if (own === undefined || other === undefined) throw new Error('two sides have two logarithms');
  const part = (side: keyof LogLogistics): string =>
    math.multiply(math.of('Exp', other[side]), math.subtract(other[side], own[side]));
  const { values, slopes } = summed(math, {
    values: math.add(part('of'), part('ofNegative')),
    slopes: math.subtract(math.of('Exp', own.of), math.of('Exp', other.of)),
  });
  return {
    values: math.multiply(math.square(temperature), values),
    slopes: math.multiply(temperature, slopes),
  };
});

/** log s(x) and log s(-x), s: the logistic function. */
interface LogLogistics {
  readonly of: string;
  readonly ofNegative: string;
}

/** min(x, 0) - log(1 + e^-|x|), finite for every finite x, and the same of -x. */
function logLogistics(math: Doubles, x: string): LogLogistics {
  const tail = logOnePlus(math, math.of('Exp', math.of('Neg', math.of('Abs', x))));
  return {
    of: math.subtract(math.atMost(x, 0), tail),
    ofNegative: math.subtract(math.of('Neg', math.atLeast(x, 0)), tail),
  };
}

/**
 * log(1 + u) with the digits of a small u: with w = 1 + u as it is rounded, u log(w) / (w - 1), and u where w is 1
 * (Kahan; Goldberg, What every computer scientist should know about floating-point arithmetic, 1991, theorem 4).
 */
function logOnePlus(math: Doubles, u: string): string {
  const w = math.add(u, math.number(1));
  const seen = math.subtract(w, math.number(1));
  return math.choose(seen, math.divide(math.multiply(u, math.of('Log', w)), seen), u);
}
