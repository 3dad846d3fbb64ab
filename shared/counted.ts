/** A number and what it counts, in words: `1 sample`, `2 samples`, `1 class`, `2 classes`. Pure. */

export function counted(count: number, one: string, many = /(s|ch)$/.test(one) ? `${one}es` : `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
