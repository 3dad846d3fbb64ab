/**
 * A run as this worker has prepared it: models and index on the disk, the replica in memory. It outlives connections: a
 * worker that comes back to the same run keeps its replica and its built student, and needs only the missing commits.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { exitCodes, ProtocolError, UserError } from '../../shared/errors.js';
import { manifestSchema, type Manifest } from '../../shared/data/manifest.js';
import { studentSpecSchema, type StudentSpec } from '../../shared/models/student-spec.js';
import type { Down } from '../../shared/protocol/messages.js';
import { recipeSchema, type Recipe } from '../../shared/recipe/schema.js';
import { microBatchCount, rootOf } from '../../shared/replica/reduction/tree.js';
import { planReplica } from '../../shared/replica/plan.js';
import { Replica } from '../../shared/replica/replica.js';
import type { ArtifactCache } from './artifact-cache.js';
import { ReplicaFold } from './replica-fold.js';
import type { LinkView } from '../threads/control.js';
import type { Begin, Probe, ToTrainer } from '../threads/messages.js';
import { Uploads } from './uploads.js';

/** Slots beyond what one block needs: the trainer computes on while a contribution is being sent. */
const spareSlots = 1;

export interface PrepareOptions {
  readonly cache: ArtifactCache;
  readonly control: LinkView;
  readonly session: number;
  readonly toTrainer: (message: ToTrainer) => void;
}

export class JoinedRun {
  readonly recipeDigest: string;
  readonly session: number;
  readonly fold: ReplicaFold;
  readonly uploads: Uploads;
  readonly begin: Begin;
  /** Once the trainer has computed it. */
  probe: Probe | null = null;
  /** The coordinator's life under which the replica came to where it is; null when it must not be used any more. */
  nonce: string | null = null;
  readonly #toTrainer: (message: ToTrainer) => void;

  constructor(welcome: Down<'welcome'>, files: RunFiles, options: PrepareOptions) {
    const plan = planReplica(files.spec, files.recipe.optimizer, files.recipe.compression);
    const trainerSlots = Array.from({ length: slotsOfABlock(files.recipe) + spareSlots }, (_, i) => i);
    const slots = trainerSlots.length + 1;
    const replica = new Replica(plan, { slots });
    this.recipeDigest = welcome.recipeDigest;
    this.session = options.session;
    this.#toTrainer = options.toTrainer;
    this.fold = new ReplicaFold(replica, options.control, slots - 1);
    this.uploads = new Uploads({ replica, giveBack: (slot) => this.giveBack(slot) });
    const { recipe, spec, manifest, teachers: paths, initialPath } = files;
    this.begin = {
      type: 'begin',
      session: options.session,
      recipe,
      spec,
      teachers: welcome.teachers,
      manifest,
      files: paths,
      initialPath,
      memory: replica.memory,
      slots,
      trainerSlots,
    };
  }

  giveBack(slot: number): void {
    this.#toTrainer({ type: 'slot', session: this.session, slot });
  }

  /** The replica's state is not to be trusted: start from a snapshot next time. */
  lose(): void {
    this.nonce = null;
  }

  held(): { nonce: string; step: number; stateHash: string } | null {
    return this.nonce === null ? null : { nonce: this.nonce, step: this.fold.step, stateHash: this.fold.stateHash };
  }
}

/** A block of the whole batch, the widest there is, needs level + 1 slots. */
function slotsOfABlock(recipe: Recipe): number {
  const { size, micro = size } = recipe.batch;
  return rootOf(microBatchCount(size, micro)).level + 1;
}

export interface RunFiles {
  readonly recipe: Recipe;
  readonly spec: StudentSpec;
  readonly manifest: Manifest;
  readonly teachers: ReadonlyMap<string, string>;
  readonly initialPath: string;
}

/** Fetches all that a run needs but its data shards. @throws UserError, ProtocolError */
export async function fetchRun(welcome: Down<'welcome'>, cache: ArtifactCache): Promise<RunFiles> {
  const recipe = recipeSchema.safeParse(welcome.recipe);
  if (!recipe.success)
    throw new UserError(
      `the coordinator's recipe is not one of this version: ${z.prettifyError(recipe.error)}`,
      exitCodes.refused,
    );
  // Whoever waits for labels runs no teacher.
  const files = recipe.data.labels.wait ? [] : welcome.teachers.flatMap((teacher) => teacher.files);
  const [spec, manifest, initialPath, ...paths] = await Promise.all([
    readJson(cache, welcome.student, studentSpecSchema),
    readJson(cache, welcome.manifest, manifestSchema),
    cache.fetch(welcome.initial),
    ...files.map((file) => cache.fetch(file)),
  ]);
  const teachers = new Map(files.map((file, i) => [file.sha256, paths[i] ?? '']));
  return { recipe: recipe.data, spec, manifest, teachers, initialPath };
}

async function readJson<T>(
  cache: ArtifactCache,
  artifact: { sha256: string; bytes: number },
  schema: z.ZodType<T>,
): Promise<T> {
  const text = await readFile(await cache.fetch(artifact), 'utf8');
  const parsed = schema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new ProtocolError(`artifact ${artifact.sha256}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
