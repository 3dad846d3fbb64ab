/** What a welcome names, fetched and checked: all that a run needs before it can start, but for its data shards. */
import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { artifactsOf, shardsOf, manifestSchema, type Manifest } from '../../shared/data/manifest.js';
import { exitCodes, ProtocolError, UserError } from '../../shared/errors.js';
import { faultPoint } from '../../shared/fault-points.js';
import { studentSpecSchema, type StudentSpec } from '../../shared/models/student-spec.js';
import type { Artifact, Down } from '../../shared/protocol/messages.js';
import { readInto } from '../../shared/read-into.js';
import { recipeSchema, type Recipe } from '../../shared/recipe/schema.js';
import type { ArtifactCache } from './artifact-cache.js';
import type { StoredState } from './replica-fold.js';

export interface RunFiles {
  readonly recipe: Recipe;
  readonly spec: StudentSpec;
  readonly manifest: Manifest;
  /** Paths of the teachers' files by SHA-256. */
  readonly teachers: ReadonlyMap<string, string>;
  /** Path of the state at step 0. */
  readonly initialPath: string;
}

/**
 * Fetches all that a run needs but its data shards.
 *
 * @throws UserError 77 for a recipe of another version, 65 for files with another digest, 69 for files that cannot be
 * had now
 * @throws ProtocolError for a student or a manifest that is none
 */
async function fetchRun(welcome: Down<'welcome'>, cache: ArtifactCache): Promise<RunFiles> {
  const recipe = recipeSchema.safeParse(welcome.recipe);
  if (!recipe.success)
    throw new UserError(
      `the coordinator's recipe is not one of this version: ${z.prettifyError(recipe.error)}`,
      exitCodes.refused,
    );
  // A worker that waits for labels runs no teacher.
  const files = recipe.data.labels.wait ? [] : welcome.teachers.flatMap((teacher) => teacher.files);
  const [spec, manifest, initialPath, paths] = await Promise.all([
    readJson(cache, welcome.student, studentSpecSchema),
    readJson(cache, welcome.manifest, manifestSchema),
    cache.fetch(welcome.initial),
    Promise.all(files.map(async (file) => [file.sha256, await cache.fetch(file)] as const)),
  ]);
  cache.announce(artifactsOf(manifest), shardsOf(manifest));
  return { recipe: recipe.data, spec, manifest, teachers: new Map(paths), initialPath };
}

/** What a worker fetches on a welcome. */
export interface Fetched {
  /** Files of a run that is new to this worker; null for the one that it has joined before. */
  readonly files: RunFiles | null;
  /** The snapshot's state; null when the log continues from what this worker holds. */
  readonly state: StoredState | null;
}

/**
 * Fetches what the welcome names and this worker lacks. The errors are those of fetchRun.
 *
 * @param knownDigest the recipe's digest of the run that this worker has joined, if any
 */
export async function fetchMissing(
  welcome: Down<'welcome'>,
  knownDigest: string | null,
  cache: ArtifactCache,
): Promise<Fetched> {
  const { snapshot } = welcome;
  const files = knownDigest === welcome.recipeDigest ? null : await fetchRun(welcome, cache);
  const state = snapshot === null ? null : stateIn(await cache.fetch(snapshot));
  faultPoint('snapshot');
  return { files, state };
}

function stateIn(path: string): StoredState {
  return { bytes: statSync(path).size, copyTo: (target) => readInto(path, target) };
}

/** The longest description that is read, in bytes: one of JSON becomes many times as long in memory. */
const longestJson = 256 * 2 ** 20;

/**
 * Reads a description of a run.
 * @throws ProtocolError for one that is too long, or is none; UserError as `ArtifactCache.fetch` does
 */
export async function readJson<T>(cache: ArtifactCache, artifact: Artifact, schema: z.ZodType<T>): Promise<T> {
  const { sha256, bytes } = artifact;
  if (bytes > longestJson)
    throw new ProtocolError(`artifact ${sha256}: a description of ${bytes} bytes; ${longestJson} at most were wanted`);
  const text = await readFile(await cache.fetch(artifact), 'utf8');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ProtocolError(`artifact ${sha256}: it is no JSON`, undefined, error);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new ProtocolError(`artifact ${sha256}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
