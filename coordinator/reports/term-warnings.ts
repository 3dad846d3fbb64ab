/** What is odd about an epoch's loss terms. Pure. */
import type { MetricsLine } from './metrics.js';

/** How many times the gradient of another term one may be before it is said. */
const dominance = 100;

/**
 * A warning for each term that teaches nothing, or far less than another one.
 * @param names of all terms of the recipe
 */
export function termWarnings(
  { epoch, terms, gradientShares = {} }: MetricsLine,
  names: readonly string[],
): Map<string, string> {
  const idle = names
    .filter((term) => terms[term] === undefined)
    .map((term): [string, string] => [
      term,
      `losses.${term} applied to no sample of epoch ${epoch + 1}: it teaches nothing`,
    ]);
  const zero = Object.entries(terms)
    .filter(([, mean]) => mean === 0)
    .map(([term]): [string, string] => [term, `losses.${term} was 0 in all of epoch ${epoch + 1}: it teaches nothing`]);
  return new Map([...idle, ...zero, ...dominated(epoch, Object.entries(gradientShares))]);
}

function dominated(epoch: number, shares: readonly (readonly [string, number])[]): [string, string][] {
  const [most] = [...shares].sort(([, a], [, b]) => b - a);
  if (most === undefined) return [];
  const [strongest, largest] = most;
  return shares
    .filter(([, share]) => share > 0 && largest > dominance * share)
    .map(([term, share]) => [
      term,
      `epoch ${epoch + 1}: the gradient of losses.${strongest} is ${Math.round(largest / share)} times that of losses.${term}; other weights may be wanted`,
    ]);
}
