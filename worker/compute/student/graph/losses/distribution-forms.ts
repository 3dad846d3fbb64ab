/**
 * Losses that compare distributions over the classes, as nodes in float64. The formulas, and where they are from, stand
 * at the losses of the same names in shared/losses; q = softmax(z / T), p what it is compared to. Pure.
 */
import type { Doubles } from './doubles.js';
import { correlations } from './directions.js';
import type { OutputForm, OutputGiven } from './form.js';

/** A probability of 0 may come as a logarithm of -Infinity: this one is 0, too, and 0 times it is 0. */
const logOfNothing = -1e30;
/** Added to a logarithm that is left out: less than any other. */
const leftOut = -1e300;

/** -sum p log q with p = (1 - e) labels + e / K of the row's weight. */
export function crossEntropy({ labelSmoothing: e }: { readonly labelSmoothing: number }): OutputForm {
  return {
    on: 'outputs',
    labels: 'weighted',
    write: ({ math, z, labels, classes }) => {
      const share = math.sum(labels, 1);
      const p = e === 0 ? labels : math.add(math.times(labels, 1 - e), math.times(share, e / classes));
      const logQ = math.logSoftmax(z);
      return {
        values: math.of('Neg', math.sum(math.multiply(p, logQ), 1)),
        slopes: math.subtract(math.multiply(share, math.of('Exp', logQ)), p),
      };
    },
  };
}

/** T^2 KL(p || q) with p = `probability` at the label, and the rest even. */
export function virtualTeacher({ probability }: { readonly probability: number }): OutputForm {
  return {
    on: 'outputs',
    labels: 'weighted',
    write: ({ math, z, labels, temperature, classes }) => {
      const elsewhere = (1 - probability) / Math.max(1, classes - 1);
      const onLabel = classes > 1 ? probability : 1;
      const share = math.sum(labels, 1);
      const p = math.add(math.times(labels, onLabel - elsewhere), math.times(share, elsewhere));
      const logQ = math.logSoftmax(math.divide(z, temperature));
      const entropy = onLabel * Math.log(onLabel) + (classes - 1) * elsewhere * Math.log(elsewhere);
      const divergence = math.subtract(math.times(share, entropy), math.sum(math.multiply(p, logQ), 1));
      return {
        values: math.multiply(math.square(temperature), divergence),
        slopes: math.multiply(temperature, math.subtract(math.multiply(share, math.of('Exp', logQ)), p)),
      };
    },
  };
}

/** T^2 KL(p || q); the target is log p. */
export const response: OutputForm = {
  on: 'outputs',
  labels: 'none',
  write: ({ math, z, target, temperature }) => {
    const logP = math.atLeast(target, logOfNothing);
    const logQ = math.logSoftmax(math.divide(z, temperature));
    const [p, q] = [math.of('Exp', logP), math.of('Exp', logQ)];
    const divergence = math.sum(divergences(math, { p, q, logP, logQ }), 1);
    return {
      values: math.multiply(math.square(temperature), divergence),
      slopes: math.multiply(temperature, math.subtract(q, p)),
    };
  },
};

interface Logarithms {
  readonly p: string;
  readonly q: string;
  readonly logP: string;
  readonly logQ: string;
}

/** p log(p / q) - p + q, whose last two add up to 0 over all classes. */
function divergences(math: Doubles, { p, q, logP, logQ }: Logarithms): string {
  return math.add(math.subtract(math.multiply(p, math.subtract(logP, logQ)), p), q);
}

/** The label's class apart from the others. */
export function decoupled({ alpha, beta }: { readonly alpha: number; readonly beta: number }): OutputForm {
  return {
    on: 'outputs',
    labels: 'plain',
    write: ({ math, z, target, labels, temperature }) => {
      const p = apart(math, math.atLeast(target, logOfNothing), labels);
      const q = apart(math, math.logSoftmax(math.divide(z, temperature)), labels);
      const both = (a: Part, b: Part): string =>
        divergences(math, { p: a.share, q: b.share, logP: a.log, logQ: b.log });
      const onTarget = math.add(both(p.own, q.own), both(p.all, q.all));
      const onOthers = math.sum(both(p.others, q.others), 1);
      const off = math.subtract(q.own.share, p.own.share);
      const slopes = math.add(
        math.times(math.multiply(math.subtract(labels, q.others.share), off), alpha),
        math.times(math.subtract(q.others.share, p.others.share), beta),
      );
      return {
        values: math.multiply(
          math.square(temperature),
          math.add(math.times(onTarget, alpha), math.times(onOthers, beta)),
        ),
        slopes: math.multiply(temperature, slopes),
      };
    },
  };
}

interface Part {
  readonly log: string;
  readonly share: string;
}

/** The label's class, [rows x 1], all others together, and these among themselves, [rows x classes], 0 at the label. */
function apart(
  math: Doubles,
  log: string,
  labels: string,
): { readonly own: Part; readonly all: Part; readonly others: Part } {
  const part = (logarithm: string): Part => ({ log: logarithm, share: math.of('Exp', logarithm) });
  const without = math.add(log, math.times(labels, leftOut));
  const largest = math.largest(without, 1);
  const rest = math.sum(math.of('Exp', math.subtract(without, largest)), 1);
  const all = math.add(largest, math.of('Log', rest));
  return {
    own: part(math.sum(math.multiply(labels, log), 1)),
    all: part(all),
    others: part(math.subtract(without, all)),
  };
}

/** T^2 (beta (1 - r by sample) + gamma (1 - r by class)), r: Pearson's correlation of q and p. */
export function dist({ beta, gamma }: { readonly beta: number; readonly gamma: number }): OutputForm {
  return {
    on: 'outputs',
    labels: 'none',
    write: ({ math, z, target, temperature, rows, classes }: OutputGiven) => {
      const q = math.of('Exp', math.logSoftmax(math.divide(z, temperature)));
      const p = math.of('Exp', target);
      const [bySample, byClass] = [correlations(math, [q, p], 1), correlations(math, [q, p], 0)];
      const slopes = math.add(
        math.times(bySample.slopes, -beta),
        math.times(byClass.slopes, (-gamma * rows) / classes),
      );
      // d q / d (z / T) takes off what all classes of a row have in common.
      const common = math.sum(math.multiply(slopes, q), 1);
      const off = (r: string): string => math.subtract(math.number(1), r);
      const value = math.add(
        math.times(off(bySample.cosines), beta),
        math.times(off(math.mean(byClass.cosines, 1)), gamma),
      );
      return {
        values: math.multiply(math.square(temperature), value),
        slopes: math.multiply(temperature, math.multiply(q, math.subtract(slopes, common))),
      };
    },
  };
}
