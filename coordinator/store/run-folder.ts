/**
 * The run folder: who may write to it, under which generation, and what it holds (design: "The run folder").
 *
 * An unfinished run found under the wanted name is continued. A finished one is kept: it is the result where the same
 * recipe is asked for once more, or the next one goes beside it, or it is overwritten where that is asked for. An
 * unfinished one of another recipe is refused with what differs, unless it is forced or nothing but the compression
 * differs. A lock that dies with its process keeps a second coordinator on this machine out; generations, claimed by
 * exclusive creation, fence one on another machine or on a copy of the folder.
 */
import { randomBytes } from 'node:crypto';
import { appendFile, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { codeOf, exitCodes, storageProblem, UserError } from '../../shared/errors.js';
import { remoteIdentitySchema, type RemoteIdentity } from '../../shared/data/remote-identity.js';
import { ifThere, makeFolders } from '../../shared/files.js';
import { servedCanarySchema, type ServedCanary } from '../../shared/labels/served-canary.js';
import { sha256Of } from '../../shared/sha256.js';
import { differences, type RunIdentity } from './resolved-recipe.js';
import { createDurably, parseStored, storing, writeDurably } from './durable-files.js';
import { lockFolder, type FolderLock } from './folder-lock.js';
import { counters, isWrittenRecipe, readGenerations, type Generation } from './generations.js';
import { sealedText } from './seal.js';

/** A generation of this version, which knows the run's secret. */
export type OwnGeneration = Generation & { readonly secret: string };

/** A run folder that this coordinator has claimed, until it is closed. */
export interface RunFolder {
  readonly path: string;
  readonly run: string;
  readonly generation: OwnGeneration;
  /** All generations so far by their nonces, this one included. */
  readonly nonces: ReadonlyMap<string, number>;
  readonly paths: {
    readonly journal: string;
    readonly metrics: string;
    readonly log: string;
    readonly snapshots: string;
    readonly summary: string;
    readonly student: string;
  };
  /** How the recipe differs from the one that the run had until now: not at all, unless it was forced. */
  readonly changes: readonly string[];
  /** Whether the recipe.yaml that was found is not what a coordinator wrote there. */
  readonly isRecipeDamaged: boolean;
  /** Replaces a file as a whole. */
  write(name: string, content: string): Promise<void>;
  /** Appends to a file, which is made where it is missing. */
  append(name: string, content: string | Uint8Array): Promise<void>;
  /** Writes a file into a folder within, made where it is missing, and then removes all else from there. */
  writeAlone(folder: string, name: string, pieces: Iterable<Uint8Array>): Promise<void>;
  /** The text of a file; null where there is none. */
  read(name: string): Promise<string | null>;
  /**
   * @throws TakenOver (69) when a coordinator elsewhere, beyond this machine's lock, has claimed the next generation
   */
  expectNewest(): Promise<void>;
  /** Gives the folder's lock back. */
  close(): Promise<void>;
}

/** How a run folder may be continued. */
export interface FolderOptions {
  /** Whether an unfinished run may be continued with another recipe. */
  readonly force?: boolean | undefined;
  /** Whether there must be a run to continue. */
  readonly resume?: boolean | undefined;
  /** What becomes of a run where a finished one is in its place. Default: number. */
  readonly onFinished?: OnFinished | undefined;
}

/**
 * `number`: the run goes to NAME-2, NAME-3, ...; `once`: the same, but where the newest one is of this recipe it is the
 * result; `overwrite`: the finished one is removed; `keep`: it is the result, or refused where its recipe is another.
 */
export type OnFinished = 'number' | 'once' | 'overwrite' | 'keep';

/**
 * The folder that a run with this recipe goes to: `wanted`, or `wanted-2`, `wanted-3`, ... behind finished ones. One that
 * is finished comes back where it is the result that is asked for (isFinished): nothing is left to run then.
 * @throws UserError (2) when an unfinished run of another recipe is there, or a finished one that is in the way, or none
 * where one is to be resumed
 */
export async function resolveRunFolder(
  wanted: string,
  identity: RunIdentity,
  options: FolderOptions = {},
): Promise<string> {
  const { onFinished = 'number', resume = false } = options;
  if (onFinished === 'overwrite') await removeFinished(wanted);
  for (let n = 1, before: string | null = null; ; n++) {
    const path: string = n === 1 ? wanted : `${wanted}-${n}`;
    await expectFolder(path);
    if (await isFinished(path)) {
      if (onFinished === 'keep') return await expectSame(path, identity);
      before = path;
      continue;
    }
    const generations = await readGenerations(path);
    await changesOf(path, generations, { identity, ...options });
    // A baseline comes first and has a folder of its own.
    const isThere = generations.length > 0 || (await counters(join(path, 'baseline'))).length > 0;
    const isAskedAgain = !isThere && before !== null && (resume || onFinished === 'once');
    if (isAskedAgain && before !== null && (await digestThere(before)) === identity.recipeDigest) return before;
    if (resume && !isThere)
      throw new UserError(
        `--resume: ${wanted} holds ${n > 1 ? 'a finished run of another recipe' : 'no run'}; one of this recipe was wanted: leave --resume out to begin, or name its folder by --out`,
      );
    return path;
  }
}

/** The digest of the recipe that the folder's run has, or had when it ended; null where nothing there tells of it. */
async function digestThere(path: string): Promise<string | null> {
  const generations = await readGenerations(path);
  const there = await readWritten(join(path, 'recipe.yaml'), generations);
  return there?.digests.recipe ?? generations.at(-1)?.recipeDigest ?? null;
}

/** @throws UserError (2) where the finished run there is one of another recipe */
async function expectSame(path: string, { recipeDigest }: RunIdentity): Promise<string> {
  if ((await digestThere(path)) === recipeDigest) return path;
  throw new UserError(
    `${path}: holds a finished run of another recipe; another --out wanted, or --number to go beside it (${path}-2), or --overwrite to replace it`,
  );
}

/** What a run keeps in its folder. The summary comes last: without it the rest would be taken for an unfinished run. */
const ownFiles = [
  ...['student', 'student-exits', 'student-best', 'baseline', 'log', 'snapshots', 'generations', 'events'],
  ...['journal.jsonl', 'metrics.jsonl', 'report.html', 'recipe.yaml', 'probe.json', 'summary.json'],
];

/** Removes a run that is finished, and nothing else that lies in its folder. */
async function removeFinished(path: string): Promise<void> {
  await expectFolder(path);
  if (!(await isFinished(path))) return;
  await storing(path, async () => {
    for (const name of ownFiles) await rm(join(path, name), { recursive: true, force: true });
  });
}

/** @throws UserError (2) when something else is there */
export async function expectFolder(path: string): Promise<void> {
  await ifThere(readdir(path)).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOTDIR') throw error;
    throw new UserError(
      `${path}: a file is in the way; a folder for the run was wanted: choose another --out`,
      exitCodes.usage,
      error,
    );
  });
}

const shownChanges = 6;
const writtenSchema = z.looseObject({
  digests: z.looseObject({
    recipe: z.string(),
    remote: z.record(z.string(), remoteIdentitySchema).optional(),
    served: z.record(z.string(), servedCanarySchema).optional(),
  }),
});

/** The folder's recipe; null where it is missing, or is not what a coordinator wrote: then generations have its digest. */
async function readWritten(
  file: string,
  generations: readonly Generation[],
): Promise<z.infer<typeof writtenSchema> | null> {
  const text = await ifThere(readFile(file, 'utf8'));
  if (text === null || !isWrittenRecipe(text, generations)) return null;
  return parseStored(file, writtenSchema, () => parse(text));
}

/**
 * How the recipe differs from the folder's. @throws UserError (2) when it does in more than the compression, and is not
 * forced
 */
async function changesOf(
  path: string,
  earlier: readonly Generation[],
  { identity, force, onFinished }: FolderOptions & { identity: RunIdentity },
): Promise<string[]> {
  const file = join(path, 'recipe.yaml');
  const there = await readWritten(file, earlier);
  // A coordinator that was refused after its generation was claimed has left the recipe as it was.
  const digest = there?.digests.recipe ?? earlier.at(-1)?.recipeDigest ?? identity.recipeDigest;
  if (digest === identity.recipeDigest) return [];
  const found =
    there === null
      ? []
      : differences(there, parse(identity.recipeText)).filter((line) => !line.startsWith('digests.recipe:'));
  const changes =
    found.length > 0
      ? found
      : [`the recipe's digest: ${digest.slice(0, 12)} there, ${identity.recipeDigest.slice(0, 12)} here`];
  if (force === true || changes.every((line) => line.startsWith('compression:'))) return changes;
  const more = changes.length > shownChanges ? `; and ${changes.length - shownChanges} more` : '';
  const what = changes.slice(0, shownChanges).join('; ');
  const ways =
    onFinished === 'overwrite'
      ? '--overwrite replaces finished runs alone: finish that run, remove its folder, or choose another --out'
      : 'finish that run, choose another --out, or continue it with this recipe by --force';
  throw new UserError(`${path}: holds an unfinished run of another recipe: ${what}${more}; ${ways}`);
}

/** By what a run knows again what is elsewhere. */
export interface KnownElsewhere {
  /** What came of its remote names, by name. */
  readonly remote: ReadonlyMap<string, RemoteIdentity>;
  /** What its served models answered, by teacher. */
  readonly served: ReadonlyMap<string, ServedCanary>;
}

const nothingKnown: KnownElsewhere = { remote: new Map(), served: new Map() };

/**
 * What is known of all that is elsewhere by the run that a run of this name would continue, or be the result of; nothing
 * where there is no such run.
 * @throws UserError (65) when its folder is damaged
 */
export async function knownOf(
  wanted: string,
  { onFinished = 'number', resume = false }: Pick<FolderOptions, 'onFinished' | 'resume'> = {},
): Promise<KnownElsewhere> {
  for (let n = 1, before: string | null = null; ; n++) {
    const path: string = n === 1 ? wanted : `${wanted}-${n}`;
    if (await isFinished(path)) {
      if (onFinished === 'overwrite') return nothingKnown;
      if (onFinished === 'keep') return (await knownIn(path)) ?? nothingKnown;
      before = path;
      continue;
    }
    const isAsked = before !== null && (resume || onFinished === 'once');
    // A baseline comes first and has a folder of its own.
    for (const folder of [path, join(path, 'baseline'), ...(isAsked && before !== null ? [before] : [])]) {
      const found = await knownIn(folder);
      if (found !== null) return found;
    }
    return nothingKnown;
  }
}

/** Null where the folder tells of no run. */
async function knownIn(folder: string): Promise<KnownElsewhere | null> {
  const generations = await readGenerations(folder);
  const there = generations.length === 0 ? null : await readWritten(join(folder, 'recipe.yaml'), generations);
  if (there === null) return null;
  const { remote = {}, served = {} } = there.digests;
  return { remote: new Map(Object.entries(remote)), served: new Map(Object.entries(served)) };
}

/** Whether the folder holds a run that came to its end. */
export async function isFinished(path: string): Promise<boolean> {
  return (await ifThere(readFile(join(path, 'summary.json'), 'utf8'))) !== null;
}

/** Locks the folder and claims the next generation. @throws UserError (69) when another coordinator holds it */
export async function openRunFolder(
  path: string,
  identity: RunIdentity,
  options: FolderOptions = {},
): Promise<RunFolder> {
  return storing(path, async () => {
    await makeFolder(path);
    const lock = await lockFolder(path).catch(async (error: unknown) => {
      const isNew = storageProblem(error) !== null && (await counters(path)).length === 0;
      throw isNew ? notBegun(path, error) : error;
    });
    try {
      return makeRunFolder(path, { ...(await claim(path, { identity, ...options })), lock });
    } catch (error) {
      await lock.close();
      throw error;
    }
  });
}

/** @throws UserError (69) where it cannot be made, so that no run has begun there */
async function makeFolder(path: string): Promise<void> {
  await makeFolders(join(path, 'generations')).catch((error: unknown) => {
    throw codeOf(error) === '' ? error : notBegun(path, error);
  });
}

function notBegun(path: string, error: unknown): UserError {
  const why = codeOf(error) === 'ENOTDIR' ? 'a file or a link that leads nowhere is in the way' : codeOf(error);
  return new UserError(
    `${path}: no run can be begun there (${why}); a folder that can be written to was wanted: choose another --out`,
    exitCodes.unavailable,
    error,
  );
}

interface Claim {
  readonly generation: OwnGeneration;
  readonly nonces: ReadonlyMap<string, number>;
  readonly changes: readonly string[];
  readonly isRecipeDamaged: boolean;
}

function makeRunFolder(path: string, held: Claim & { lock: FolderLock }): RunFolder {
  const inside = (name: string): string => join(path, name);
  return {
    path,
    run: held.generation.run,
    generation: held.generation,
    nonces: held.nonces,
    changes: held.changes,
    isRecipeDamaged: held.isRecipeDamaged,
    paths: {
      journal: inside('journal.jsonl'),
      metrics: inside('metrics.jsonl'),
      log: inside('log'),
      snapshots: inside('snapshots'),
      summary: inside('summary.json'),
      student: inside('student'),
    },
    write: (name, content) => storing(inside(name), () => writeDurably(inside(name), [Buffer.from(content)])),
    append: (name, content) => storing(inside(name), () => appendFile(inside(name), content)),
    writeAlone: (folder, name, pieces) => storing(inside(folder), () => writeAlone(inside(folder), name, pieces)),
    read: (name) => ifThere(readFile(inside(name), 'utf8')),
    expectNewest: () => expectNone(inside(join('generations', String(held.generation.counter + 1))), path),
    close: () => held.lock.close(),
  };
}

async function writeAlone(folder: string, name: string, pieces: Iterable<Uint8Array>): Promise<void> {
  await makeFolders(folder);
  await writeDurably(join(folder, name), pieces);
  const others = (await readdir(folder)).filter((other) => other !== name);
  for (const other of others) await rm(join(folder, other), { recursive: true, force: true });
}

/** The run is another coordinator's by now. */
export class TakenOver extends UserError {
  constructor(path: string, generation: string) {
    super(
      `${path}: another coordinator, elsewhere, has taken over this run folder (${generation}); this one has committed nothing since, and ends`,
      exitCodes.unavailable,
    );
  }
}

/** Generations are claimed one after the other, so that the next one tells of any. */
async function expectNone(generation: string, path: string): Promise<void> {
  if ((await ifThere(readFile(generation, 'utf8'))) === null) return;
  throw new TakenOver(path, generation);
}

async function claim(path: string, wanted: FolderOptions & { identity: RunIdentity }): Promise<Claim> {
  const { recipeDigest, recipeText } = wanted.identity;
  for (;;) {
    const earlier = await readGenerations(path);
    const [first] = earlier;
    const changes = await changesOf(path, earlier, wanted);
    const there = await ifThere(readFile(join(path, 'recipe.yaml'), 'utf8'));
    const counter = Math.max(0, ...(await counters(path))) + 1;
    const generation = {
      counter,
      nonce: randomBytes(16).toString('hex'),
      run: first?.run ?? randomBytes(8).toString('hex'),
      recipeDigest,
      recipeSha256: sha256Of(recipeText),
      startedAt: new Date().toISOString(),
      secret: earlier.find(({ secret }) => secret !== undefined)?.secret ?? randomBytes(32).toString('hex'),
    };
    const file = join(path, 'generations', String(counter));
    const isClaimed = await createDurably(file, sealedText(generation, generation.run)).catch((error: unknown) => {
      throw first === undefined && storageProblem(error) !== null ? notBegun(path, error) : error;
    });
    if (isClaimed) {
      return {
        generation,
        nonces: new Map([...earlier, generation].map(({ nonce, counter: number }) => [nonce, number])),
        changes,
        isRecipeDamaged: there !== null && !isWrittenRecipe(there, earlier),
      };
    }
  }
}
