/**
 * Mixup (Zhang et al. 2018): each sample of a micro-batch is mixed with another of it, inputs and labels alike,
 *
 *   x_i = share x_i + (1 - share) x_p(i),    share ~ Beta(alpha, alpha), at least a half,   p a permutation
 *
 * one share and one permutation for each micro-batch, by its key. Every label is counted once in the whole: a share of
 * it with its own sample, the rest with the one that it is mixed into. So divisors stay those of the labels. Pure.
 */
import type { Batch } from '../../shared/data/samples.js';
import { randomStream, shuffle, type RandomKey, type RandomStream } from '../../shared/random.js';
import { power } from './power.js';

export interface Mixed {
  /** [rows x sample] */
  readonly inputs: Float32Array;
  /** [rows]: the labels of the other samples; -1 for none. */
  readonly labels: Int32Array;
  /** [rows]: their weights, where samples have some. */
  readonly weights: Float32Array | undefined;
  /** [rows x width]: target vectors, mixed as the inputs are; absent where samples have none. */
  readonly vectors?: Float32Array;
  /** Share of each row's own sample, in [1/2, 1]. */
  readonly share: number;
}

/** The batch is not changed. */
export function mixUp({ inputs, labels, weights, vectors }: Batch, alpha: number, key: RandomKey): Mixed {
  const rows = labels.length;
  const partners = shuffle(
    Uint32Array.from({ length: rows }, (_, i) => i),
    randomStream([...key, 'partners']),
  );
  const drawn = beta(alpha, randomStream([...key, 'share']));
  const share = Math.max(drawn, 1 - drawn);
  return {
    inputs: mixRows(inputs, partners, share),
    ...(vectors === undefined ? {} : { vectors: mixRows(vectors, partners, share) }),
    labels: Int32Array.from(partners, (partner) => labels[partner] ?? -1),
    weights: weights === undefined ? undefined : Float32Array.from(partners, (partner) => weights[partner] ?? 1),
    share,
  };
}

/** Each row with its partner's, by their shares. */
function mixRows(values: Float32Array, partners: Uint32Array, share: number): Float32Array {
  const size = partners.length === 0 ? 0 : values.length / partners.length;
  const mixed = new Float32Array(values.length);
  partners.forEach((partner, row) => {
    const [own, other] = [row * size, partner * size];
    for (let i = 0; i < size; i++)
      mixed[own + i] = share * (values[own + i] ?? 0) + (1 - share) * (values[other + i] ?? 0);
  });
  return mixed;
}

/** Beta(alpha, alpha) by Jöhnk 1964; for alpha above 4 it would reject most of what it draws. */
function beta(alpha: number, stream: RandomStream): number {
  for (;;) {
    const x = power(stream.float(), 1 / alpha);
    const y = power(stream.float(), 1 / alpha);
    if (x + y > 0 && x + y <= 1) return x / (x + y);
  }
}
