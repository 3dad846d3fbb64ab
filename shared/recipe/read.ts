/** From a recipe's text to a checked recipe: every problem is one line that names file, line, key, value and wish. */
import { basename, extname } from 'node:path';
import { isMap, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import type { z } from 'zod';
import { UserError } from '../errors.js';
import { checkFields } from './check.js';
import { nearest } from './nearest.js';
import { recipeSchema, type Recipe } from './schema.js';

/** Samples of a micro-batch where the recipe does not say: small enough that usual batches make several of them. */
const defaultMicro = 32;

export interface ReadOptions {
  /** The recipe's file, for messages and the default name. */
  readonly file: string;
  /** `key.path=value`, value as YAML; they win over the file. */
  readonly set?: readonly string[];
  readonly seed?: number | undefined;
}

export interface ReadRecipe {
  readonly recipe: Recipe & { name: string };
  readonly warnings: readonly string[];
}

/** @throws UserError 2 with a line for each problem */
export function readRecipe(text: string, options: ReadOptions): ReadRecipe {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [syntax] = document.errors;
  if (syntax !== undefined) throw new UserError(`${options.file}:${syntax.linePos?.[0].line ?? 1}: no YAML: ${syntax.message.split('\n')[0]?.replace(/ at line.*$/, '')}`);
  if (!isMap(document.contents)) throw new UserError(`${options.file}:1: no recipe; a mapping with student, losses, data, optimizer and batch was wanted`);
  const fromFlags = applyFlags(document, options);
  const result = recipeSchema.safeParse(document.toJS());
  const where: Where = (path) => (fromFlags.has(String(path[0])) && lineOf(document, lines, path) === undefined ? '--set' : `${options.file}:${lineOf(document, lines, path) ?? 1}`);
  if (!result.success) throw new UserError(result.error.issues.flatMap((issue) => describe(issue, document, where)).join('\n'));
  const { batch } = result.data;
  const recipe = {
    ...result.data, name: result.data.name ?? basename(options.file, extname(options.file)),
    batch: { size: batch.size, micro: batch.micro ?? Math.min(batch.size, defaultMicro) },
  };
  const { problems, warnings } = checkFields(recipe);
  const line = ({ path, text: what }: { path: readonly PropertyKey[]; text: string }): string => `${where(path)}: ${what}`;
  if (problems.length > 0) throw new UserError(problems.map(line).join('\n'));
  return { recipe, warnings: warnings.map(line) };
}

type Where = (path: readonly PropertyKey[]) => string;

function applyFlags(document: Document, { set = [], seed }: ReadOptions): Set<string> {
  const touched = new Set<string>();
  for (const assignment of set) {
    const at = assignment.indexOf('=');
    if (at <= 0) throw new UserError(`--set ${assignment}: KEY.PATH=VALUE was wanted`);
    const path = assignment.slice(0, at).split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part));
    const value = parseDocument(assignment.slice(at + 1)).toJS() as unknown;
    try {
      document.setIn(path, document.createNode(value));
    } catch (error) {
      throw new UserError(`--set ${assignment}: there is no place ${path.join('.')} in the recipe`, undefined, error);
    }
    touched.add(String(path[0]));
  }
  if (seed !== undefined) document.setIn(['seed'], seed);
  return touched;
}

/** The line of the node at a path, or of its nearest ancestor that is there. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number | undefined {
  for (let length = path.length; length >= 0; length--) {
    const node = nodeAt(document, path.slice(0, length));
    if (node?.range) return lines.linePos(node.range[0]).line;
  }
  return undefined;
}

/** The key's node for a mapping's entry, the item's for a sequence's. */
function nodeAt(document: Document, path: readonly PropertyKey[]): Node | undefined {
  let node = document.contents as Node | null;
  let found: Node | undefined = node ?? undefined;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => String((item.key as { value?: unknown } | null)?.value ?? item.key) === String(part));
      if (pair === undefined) return undefined;
      found = pair.key as Node;
      node = pair.value as Node | null;
    } else if (isSeq(node)) {
      node = (node.items[Number(part)] ?? null) as Node | null;
      if (node === null) return undefined;
      found = node;
    } else return undefined;
  }
  return found;
}

type Issue = z.core.$ZodIssue;

function describe(issue: Issue, document: Document, where: Where): string[] {
  const value: unknown = issue.path.length === 0 ? document.toJS() : document.toJS() && valueAt(document.toJS(), issue.path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const guess = nearest(key, knownKeys(issue.path, document));
      return `${where([...issue.path, key])}: ${[...issue.path, key].join('.')}: unknown key${guess === undefined ? '' : `; did you mean ${guess}?`}`;
    });
  }
  if (issue.code === 'invalid_union') {
    const inner = bestBranch(issue);
    if (inner !== undefined) return inner.flatMap((part) => describe({ ...part, path: [...issue.path, ...part.path] } as Issue, document, where));
  }
  const given = value === undefined ? 'missing' : `${JSON.stringify(value)} given`;
  return [`${where(issue.path)}: ${issue.path.join('.') || 'recipe'}: ${given}; ${wish(issue)}`];
}

function wish(issue: Issue): string {
  const text = issue.message.replace(/^Invalid (input|option|string): /, '').replace(/^expected /, '').replace(/, received .*$/, '');
  return `${text.replace(/^Too (small|big): expected (number|string|array) to (be|have) /, '')} wanted`;
}

/** The branch of a union that fails latest: the one the user most likely meant. */
function bestBranch(issue: Extract<Issue, { code: 'invalid_union' }>): readonly Issue[] | undefined {
  const depth = (branch: readonly Issue[]): number => branch.filter((part) => part.code !== 'unrecognized_keys' && part.path.length <= 1).length;
  return [...issue.errors].sort((a, b) => depth(a) - depth(b))[0];
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, part) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[part] : undefined), value);
}

/** Keys that the schema knows at a path: by probing it with an object of nothing but unknown keys is not possible, so by walking it. */
function knownKeys(path: readonly PropertyKey[], document: Document): string[] {
  return keysIn(recipeSchema, path, document.toJS());
}

interface SchemaDef {
  readonly type: string;
  readonly shape?: Record<string, { _zod: { def: SchemaDef } }>;
  readonly innerType?: { _zod: { def: SchemaDef } };
  readonly element?: { _zod: { def: SchemaDef } };
  readonly options?: readonly { _zod: { def: SchemaDef } }[];
}

function keysIn(schema: { _zod: { def: unknown } }, path: readonly PropertyKey[], value: unknown): string[] {
  const def = schema._zod.def as SchemaDef;
  if (def.innerType !== undefined) return keysIn(def.innerType, path, value);
  if (def.options !== undefined) return def.options.flatMap((option) => keysIn(option, path, value));
  if (path.length === 0) return Object.keys(def.shape ?? {});
  const [head = '', ...rest] = path;
  const next = def.shape?.[String(head)] ?? def.element;
  return next === undefined ? [] : keysIn(next, rest, value);
}
