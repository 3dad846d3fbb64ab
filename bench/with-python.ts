/** The command line of a bench that compares with a program of Python, which is its one argument without a name. */
import { parseArgs, type ParseArgsConfig } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<T extends Options> = ReturnType<typeof parseArgs<{ allowPositionals: true; options: T }>>['values'];

/** @returns the options by name, and the path of Python; undefined where none is named */
export function withPython<const T extends Options>(
  options: T,
): { readonly values: Parsed<T>; readonly python: string | undefined } {
  const { values, positionals } = parseArgs({ allowPositionals: true, options });
  return { values, python: positionals[0] };
}

/** The same, of a bench that cannot do without. @param packages what it has to have @throws Error where none is named */
export function withPythonOf<const T extends Options>(
  packages: string,
  options: T,
): { readonly values: Parsed<T>; readonly python: string } {
  const { values, python } = withPython(options);
  if (python === undefined) throw new Error(`PYTHON: a Python with ${packages} was wanted`);
  return { values, python };
}
