/** Searches in ascending lists of numbers. Pure. */

/**
 * Counts, by halving, the elements that are at most `value`.
 * @returns their number, which is also the index behind the last of them
 */
export function countAtMost(ascending: ArrayLike<number>, value: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] ?? Infinity) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Finds the last element that is at most `value`.
 * @returns its index; 0 where even the first element is greater
 */
export function lastAtMost(ascending: ArrayLike<number>, value: number): number {
  return Math.max(0, countAtMost(ascending, value) - 1);
}
