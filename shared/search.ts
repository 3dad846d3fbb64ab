/** Searches in ascending lists of numbers. Pure. */

/**
 * Finds, by halving, the last element that is at most `value`.
 * @returns its index; 0 where even the first element is greater
 */
export function lastAtMost(ascending: ArrayLike<number>, value: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((ascending[middle] ?? Infinity) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
