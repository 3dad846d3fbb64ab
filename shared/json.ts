/** `JSON.stringify` as it is: it gives nothing for undefined and functions, which its declared type leaves out. */
export function jsonOf(value: unknown, replacer?: (key: string, item: unknown) => unknown): string | undefined {
  return JSON.stringify(value, replacer);
}
