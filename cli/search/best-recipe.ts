/** The recipe of the best trial, to be run from the search's folder. */
import { isAbsolute, join } from 'node:path';
import { stringify } from 'yaml';
import { must } from '../../shared/must.js';

export interface BestRecipe {
  /** What the recipe says with the trial's values. */
  readonly values: unknown;
  readonly name: string;
  /** Files that it names, by their keys; those with a list of files once for each. */
  readonly files: readonly { readonly path: readonly PropertyKey[]; readonly file: string }[];
  /** The recipe's folder, as it is seen from the folder that the text goes to. */
  readonly from: string;
  readonly isRemote: (file: string) => boolean;
  /** What is said above it, a line each. */
  readonly about: readonly string[];
}

/** Its text, without what a search may do, and with its paths relative to the search's folder. */
export function bestRecipe({ values, name, files, from, isRemote, about }: BestRecipe): string {
  const moved = new Map(
    files.map(({ file }) => [file, isRemote(file) || isAbsolute(file) ? file : join(from, file)] as const),
  );
  const keys = new Set(files.map(({ path }) => path.join('\n')));
  const visit = (value: unknown, path: readonly PropertyKey[]): unknown => {
    if (keys.has(path.join('\n'))) {
      if (typeof value === 'string') return must(moved, value, 'file');
      if (Array.isArray(value)) return value.map((file: unknown) => moved.get(String(file)) ?? file);
    }
    if (Array.isArray(value)) return value.map((item: unknown, i) => visit(item, [...path, i]));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, visit(item, [...path, key])]));
  };
  const { search: _, name: _own, ...rest } = visit(values, []) as Readonly<Record<string, unknown>>;
  return `${about.map((line) => `# ${line}\n`).join('')}${stringify({ name, ...rest })}`;
}
