/**
 * x ** y by + - * / alone, so that every machine has the same bits: Math.pow, exp and log differ between versions of
 * Node. About as good as float64: the relative error is below 1e-16 x (1 + |y ln x|) times a few. Pure.
 */

const ln2 = 0.6931471805599453;
const sqrtHalf = 0.7071067811865476;

/** @param x in [0, 1]; @param y above 0 */
export function power(x: number, y: number): number {
  return x === 0 ? 0 : exp(y * ln(x));
}

/** x = m 2^-halvings with m near 1; ln m = 2 (z + z^3 / 3 + z^5 / 5 + ...), z = (m - 1) / (m + 1). */
function ln(x: number): number {
  let [m, halvings] = [x, 0];
  for (; m < sqrtHalf; m *= 2) halvings++;
  const z = (m - 1) / (m + 1);
  let sum = 0;
  for (let odd = 23; odd > 0; odd -= 2) sum = sum * z * z + 1 / odd;
  return 2 * z * sum - halvings * ln2;
}

/** For x up to 0: 2^-halvings e^rest, the rest at most ln 2 / 2 from 0, by its Taylor series. */
function exp(x: number): number {
  const halvings = Math.round(-x / ln2);
  const rest = x + halvings * ln2;
  let sum = 1;
  for (let n = 15; n > 0; n--) sum = 1 + (sum * rest) / n;
  for (let i = 0; i < halvings && sum > 0; i++) sum /= 2;
  return sum;
}
