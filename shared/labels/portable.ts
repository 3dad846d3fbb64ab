/**
 * Exponentials and logarithms of which every machine has the same bits: only + - x / on float64, which IEEE 754 defines
 * to the bit, where Math.exp and Math.log may differ between engines. Both are right to some units of the last place.
 * Pure.
 */

/** ln 2 in two parts: the first has 32 bits, so that its multiples by exponents are exact. */
const ln2High = 0.6931471803691238;
const ln2Low = 1.9082149292705877e-10;

/** 2^0, 2^-1, ... down to the smallest float64: [1075]. */
const halvings = (() => {
  const powers = new Float64Array(1075);
  for (let i = 0, power = 1; i < powers.length; i++, power /= 2) powers[i] = power;
  return powers;
})();

/** e^-x for x >= 0; 0 where that is below the smallest float64, NaN for other x. */
export function expOfMinus(x: number): number {
  if (!(x >= 0)) return Number.NaN;
  if (x > 745) return 0;
  const whole = Math.round(x / (ln2High + ln2Low));
  const rest = whole * ln2High - x + whole * ln2Low;
  // |rest| is at most ln 2 / 2, where the 18th term of the series is below 2^-70.
  let sum = 1;
  for (let n = 17; n > 0; n--) sum = 1 + (rest * sum) / n;
  return sum * (halvings[whole] ?? 0);
}

/** ln x for a positive normal float64. */
export function naturalLog(x: number): number {
  let exponent = 0;
  let mantissa = x;
  for (; mantissa >= 2; mantissa /= 2) exponent++;
  for (; mantissa < 1; mantissa *= 2) exponent--;
  if (mantissa > Math.SQRT2) {
    mantissa /= 2;
    exponent++;
  }
  // ln m = 2 artanh((m - 1) / (m + 1)), whose argument is at most 0.172: the 12th term is below 2^-60.
  const ratio = (mantissa - 1) / (mantissa + 1);
  const square = ratio * ratio;
  let sum = 0;
  for (let n = 25; n > 0; n -= 2) sum = 1 / n + square * sum;
  return exponent * ln2High + (2 * ratio * sum + exponent * ln2Low);
}
