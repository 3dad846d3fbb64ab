/** `JSON.stringify` as it is: it gives nothing for undefined and functions, which its declared type leaves out. */
export function jsonOf(value: unknown, replacer?: (key: string, item: unknown) => unknown): string | undefined {
  return JSON.stringify(value, replacer);
}

/** The value that the UTF-8 text of the bytes describes; undefined where it is not JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
