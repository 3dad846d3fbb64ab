/** Puts what the schema finds wrong into a user's words: `key.path: VALUE given; WISH wanted`. Pure. */
import type { z } from 'zod';
import { jsonOf } from '../json.js';
import { nearest } from './nearest.js';
import type { Finding } from './finding.js';
import type { Path } from './source-lines.js';
import { recipeSchema } from './schema.js';

type Issue = z.core.$ZodIssue;

/** @param value the whole recipe as plain values, in which the issue's path leads to the value that was given */
export function findingsOf(issue: Issue, value: unknown): Finding[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey([...path, key], value));
  const given = valueAt(value, path);
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const kinds = wishesOfKinds(issue.errors, given);
    if (kinds !== null) return [{ path, text: textOf(path, given, kinds.join(' or ')) }];
    return path.join('.') === 'student' && isRecord(given) && 'builtin' in given === 'model' in given
      ? [noStudent(given)]
      : branchFindings(issue, value);
  }
  return [{ path, text: textOf(path, given, wishOf(issue, given)) }];
}

function textOf(path: Path, given: unknown, wish: string): string {
  return `${path.join('.') || 'recipe'}: ${given === undefined ? 'missing' : `${shown(given)} given`}; ${wish} wanted`;
}

/** What a union wants of a value that is of none of its kinds, each kind once; null where it is of one of them. */
function wishesOfKinds(branches: readonly (readonly Issue[])[], given: unknown): string[] | null {
  const wishes = branches.map(([issue, ...others]) => {
    const isOfKind = issue === undefined || others.length > 0 || issue.path.length > 0;
    if (isOfKind || (issue.code !== 'invalid_type' && issue.code !== 'invalid_value')) return null;
    return issue.code === 'invalid_value' && issue.values.length === 1 ? String(issue.values[0]) : wishOf(issue, given);
  });
  return wishes.includes(null) ? null : [...new Set(wishes.filter((wish) => wish !== null))];
}

function noStudent(given: object): Finding {
  const what =
    'builtin' in given
      ? 'builtin and model given; one of the two wanted'
      : 'missing; builtin: NAME or model: FILE wanted';
  return { path: ['student'], text: `student: ${what}` };
}

function unknownKey(path: Path, value: unknown): Finding {
  const known = keysIn(recipeSchema, path.slice(0, -1), value);
  const guess = nearest(String(path.at(-1)), known);
  return {
    path,
    text: `${path.join('.')}: unknown key; ${guess === undefined ? `one of ${known.join(', ')} wanted` : `did you mean ${guess}?`}`,
  };
}

/** The branch of a union that has the fewest problems at its own level: the one that the user most likely meant. */
function branchFindings(issue: Extract<Issue, { code: 'invalid_union' }>, value: unknown): Finding[] {
  const wrong = (branch: readonly Issue[]): number =>
    branch.filter((part) => part.code !== 'unrecognized_keys' && part.path.length <= 1).length;
  const [best = []] = [...issue.errors].sort((a, b) => wrong(a) - wrong(b));
  return best.flatMap((part) => findingsOf({ ...part, path: [...issue.path, ...part.path] }, value));
}

const typeNames: Readonly<Record<string, string>> = {
  number: 'a number',
  int: 'a whole number',
  string: 'a text',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
};

function wishOf(issue: Issue, given: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return typeNames[issue.expected] ?? issue.expected;
    case 'invalid_value':
      return oneOf(issue.values, given);
    case 'invalid_union':
      return oneOf(optionsOf(issue), given);
    case 'too_small':
      return bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum);
    case 'too_big':
      return bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum);
    default:
      return issue.message;
  }
}

function optionsOf(issue: Issue): readonly unknown[] {
  return 'options' in issue && Array.isArray(issue.options) ? issue.options : [];
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  const units: Readonly<Record<string, string>> = { string: 'letter', array: 'item' };
  const unit = units[origin];
  return `${relation} ${limit}${unit === undefined ? '' : ` ${unit}${Number(limit) === 1 ? '' : 's'}`}`;
}

function oneOf(values: readonly unknown[], given: unknown): string {
  const names = values.map(String);
  const guess = typeof given === 'string' ? nearest(given, names) : undefined;
  if (names.length === 1) return `only ${names.join()}`;
  return `one of ${names.join(', ')}${guess === undefined ? '' : ` (${guess}?)`}`;
}

const longestShown = 60;

function shown(value: unknown): string {
  if (typeof value === 'number') return String(value);
  const text = jsonOf(value) ?? String(value);
  return text.length > longestShown ? `${text.slice(0, longestShown)}...` : text;
}

function isRecord(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === 'object' && value !== null;
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((at, part) => (isRecord(at) && Object.hasOwn(at, part) ? at[part] : undefined), value);
}

interface SchemaNode {
  readonly _zod: { readonly def: object };
}

interface SchemaDef {
  readonly shape?: Readonly<Record<string, SchemaNode>>;
  readonly innerType?: SchemaNode;
  readonly element?: SchemaNode;
  readonly options?: readonly SchemaNode[];
  readonly discriminator?: string;
  readonly values?: readonly unknown[];
}

/** The keys that the schema knows at a path. In a union only the kind that the recipe names counts. */
function keysIn(schema: SchemaNode, path: Path, value: unknown): string[] {
  const def: SchemaDef = schema._zod.def;
  if (def.innerType !== undefined) return keysIn(def.innerType, path, value);
  if (def.options !== undefined)
    return def.options
      .filter((option) => isNamed(option, def.discriminator, value))
      .flatMap((option) => keysIn(option, path, value));
  if (path.length === 0) return Object.keys(def.shape ?? {});
  const [head = '', ...rest] = path;
  const next = def.shape?.[String(head)] ?? def.element;
  return next === undefined ? [] : keysIn(next, rest, isRecord(value) ? value[head] : undefined);
}

function isNamed(option: SchemaNode, discriminator: string | undefined, value: unknown): boolean {
  const { shape = {} }: SchemaDef = option._zod.def;
  const keys = discriminator === undefined ? ['builtin', 'model'] : [discriminator];
  if (!isRecord(value) || !keys.some((key) => key in value)) return true;
  if (discriminator === undefined) return keys.some((key) => key in value && key in shape);
  const tag: SchemaDef = shape[discriminator]?._zod.def ?? {};
  return (tag.values ?? []).includes(value[discriminator]);
}
