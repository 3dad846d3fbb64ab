/**
 * Names of a model's files. A model that comes from elsewhere names the files that its weights lie in, and a peer names
 * the files of its teachers: such a name is only ever one below the model's own folder. Pure.
 */

/** Segments that lead nowhere of the model's own: out of the folder, or into ONNX Runtime's memory by its own mark. */
const foreignSegments: ReadonlySet<string> = new Set(['..', '*']);

/**
 * Whether a name can only be that of a file in its model's folder, whatever system reads it: relative, without `..`,
 * backslashes, drives and control characters.
 */
export function namesOwnFile(name: string): boolean {
  // eslint-disable-next-line no-control-regex -- control characters are what is refused
  if (name === '' || /[\\\u0000-\u001f]/.test(name) || /^([a-z]:|\/)/i.test(name)) return false;
  const segments = name.split('/');
  return segments.at(-1) !== '' && segments.at(-1) !== '.' && !segments.some((one) => foreignSegments.has(one));
}

/** A name from elsewhere for a message: short, and on one line. */
export function nameText(name: string): string {
  return JSON.stringify(name.slice(0, 200)).slice(1, -1);
}
