/** Reads a recipe's text into a checked recipe. A problem is one line that names file, line, key, value and wish. */
import { basename, extname } from 'node:path';
import { isMap, LineCounter, parseDocument, type Document } from 'yaml';
import { UserError } from '../errors.js';
import { checkFields } from './check.js';
import { copyMerged } from './merge-keys.js';
import { applyFlags, placesOf, type Path } from './source-lines.js';
import type { Finding } from './finding.js';
import { findingsOf } from './problems.js';
import { recipeSchema, type Recipe } from './schema.js';
import type { SearchRecipe } from './search-schema.js';

/** Samples of a micro-batch where the recipe does not say: small enough that usual batches make several of them. */
const defaultMicro = 32;

export interface ReadOptions {
  /** The recipe's file: it stands in messages, and its stem is the default name. */
  readonly file: string;
  /** Assignments `key.path=value`, with the value in YAML. They win over the file. */
  readonly set?: readonly string[];
  readonly seed?: number | undefined;
}

export interface ReadRecipe {
  readonly recipe: Recipe & { name: string };
  /** What a search may change in it; undefined where the recipe does not say. */
  readonly search: SearchRecipe | undefined;
  /** What is odd but allowed, a line each. */
  readonly warnings: readonly string[];
  /** Gives `FILE:LINE` of a key, or the flag that gave it. */
  readonly placeOf: (path: Path) => string;
}

/**
 * Reads, completes and checks a recipe. It opens no other file.
 *
 * @throws UserError 2 with a line for each problem
 */
export function readRecipe(text: string, options: ReadOptions): ReadRecipe {
  const lines = new LineCounter();
  const document = parse(text, options.file, lines);
  const placeOf = placesOf(document, lines, options.file, applyFlags(document, options));
  const line = ({ path, text: what }: Finding): string => `${placeOf(path)}: ${what}`;
  const value = toValue(document, options.file);
  const result = recipeSchema.safeParse(value);
  if (!result.success)
    throw new UserError(
      result.error.issues
        .flatMap((issue) => findingsOf(issue, value))
        .map(line)
        .join('\n'),
    );
  const { search, ...described } = result.data;
  const { batch } = described;
  const recipe = {
    ...described,
    name: described.name ?? stemOf(options.file),
    batch: { size: batch.size, micro: batch.micro ?? Math.min(batch.size, defaultMicro) },
  };
  const { problems, warnings } = checkFields(recipe);
  if (problems.length > 0) throw new UserError(problems.map(line).join('\n'));
  return { recipe, search, warnings: warnings.map(line), placeOf };
}

/**
 * What a recipe's text says, with the values of flags set and references resolved, but unchecked and without defaults.
 *
 * @throws UserError 2 where it is no YAML
 */
export function recipeValues(text: string, options: ReadOptions): unknown {
  const document = parse(text, options.file, new LineCounter());
  applyFlags(document, options);
  return toValue(document, options.file);
}

function parse(text: string, file: string, lines: LineCounter): Document {
  const document = parseDocument(text, { lineCounter: lines, stringKeys: true });
  const wrong = document.errors.map(
    ({ linePos, message }) => `${file}:${linePos?.[0].line ?? 1}: no YAML: ${wordsOf(message)}`,
  );
  if (wrong.length > 0) throw new UserError(wrong.join('\n'));
  if (!isMap(document.contents))
    throw new UserError(`${file}:1: no recipe; a mapping with student, losses, data, optimizer and batch was wanted`);
  copyMerged(document, (offset) => `${file}:${lines.linePos(offset).line}`);
  return document;
}

/** What the parser says, in the words of somebody who writes a recipe. */
function wordsOf(message: string): string {
  const [first = ''] = message.split('\n');
  return first.replace(/ at line.*$|; please use.*$/, '').replace('With stringKeys, all keys', 'All keys');
}

/** @throws UserError 2 for YAML aliases that unfold to something huge */
function toValue(document: Document, file: string): unknown {
  try {
    const value: unknown = document.toJS();
    return value;
  } catch (error) {
    throw new UserError(
      `${file}:1: no YAML: ${error instanceof Error ? error.message : String(error)}`,
      undefined,
      error,
    );
  }
}

/** A file's stem, made fit for a folder's name. */
function stemOf(file: string): string {
  return (
    basename(file, extname(file))
      .replace(/[^A-Za-z0-9._-]/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 64) || 'run'
  );
}
