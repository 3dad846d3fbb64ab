/** The logistic function in log space. Pure. */

/** log(1 / (1 + exp(-x))), finite for every finite x. */
export function logLogistic(x: number): number {
  return x >= 0 ? -Math.log1p(Math.exp(-x)) : x - Math.log1p(Math.exp(x));
}
