/** The generations of a run folder: a sealed file in `generations/` for each start of a coordinator, named by its counter. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { exitCodes, UserError } from '../../shared/errors.js';
import { ifThere } from '../../shared/files.js';
import { sha256Of } from '../../shared/sha256.js';
import { parseStored } from './durable-files.js';
import { readSealed } from './seal.js';

const generationSchema = z.object({
  counter: z.number().int().positive(),
  nonce: z.string(),
  run: z.string(),
  recipeDigest: z.string(),
  /** SHA-256 of the recipe.yaml that this coordinator writes; earlier versions did not tell. */
  recipeSha256: z.string().optional(),
  startedAt: z.string(),
  /** The run's, the same in all generations: workers never learn of it. Absent where an older version began the run. */
  secret: z.string().min(32).optional(),
});

/** One start of a coordinator in a run folder, as its file in `generations/` has it. */
export type Generation = z.infer<typeof generationSchema>;

/** The counters of the generations that there are, in order. @param path the run's folder */
export async function counters(path: string): Promise<number[]> {
  const names = (await ifThere(readdir(join(path, 'generations')))) ?? [];
  return names
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/**
 * All generations, in order.
 *
 * @param path the run's folder
 * @throws UserError (65) when one is missing, damaged or another run's: workers tell coordinators apart by them
 */
export async function readGenerations(path: string): Promise<Generation[]> {
  const generations: Generation[] = [];
  for (const [i, counter] of (await counters(path)).entries()) {
    const file = join(path, 'generations', String(counter));
    if (counter !== i + 1) throw damagedGeneration(join(path, 'generations', String(i + 1)), 'is missing');
    const text = await readFile(file, 'utf8');
    const generation = parseStored(file, generationSchema, () => readSealed(text, generationSchema, ({ run }) => run));
    if (generation.counter !== counter || generation.run !== (generations[0] ?? generation).run)
      throw damagedGeneration(file, 'is of another run or start');
    generations.push(generation);
  }
  return generations;
}

/** The id of the run in this folder, by its first generation; null where that is missing or damaged. */
export async function runIdIn(path: string): Promise<string | null> {
  const text = await ifThere(readFile(join(path, 'generations', '1'), 'utf8'));
  if (text === null) return null;
  try {
    return readSealed(text, generationSchema, ({ run }) => run).run;
  } catch {
    return null;
  }
}

function damagedGeneration(file: string, what: string): UserError {
  return new UserError(`${file} ${what}; put it back from a copy, or choose another --out`, exitCodes.data);
}

/**
 * Whether a text is a recipe.yaml that one of the coordinators wrote. One that was refused after it had claimed its
 * generation has left the recipe of an earlier one. Where a coordinator of an earlier version was at work nothing tells.
 * Pure.
 */
export function isWrittenRecipe(text: string, generations: readonly Generation[]): boolean {
  const known = generations.map(({ recipeSha256 }) => recipeSha256);
  return known.length === 0 || known.includes(undefined) || known.includes(sha256Of(text));
}
