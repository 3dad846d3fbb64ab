/**
 * The numerics probe of a worker that joins: micro-batch 0 of epoch 0 under the initial weights, with its labels and
 * the student's gradient, computed twice. Equal digests on two workers mean equal bits. Two digests on one worker mean
 * a device that cannot repeat itself.
 */
import { statSync } from 'node:fs';
import { ProtocolError } from '../../shared/errors.js';
import type { Manifest } from '../../shared/data/manifest.js';
import { readInto } from '../../shared/read-into.js';
import { lossesAt } from '../../shared/recipe/schedules.js';
import { termsIn } from '../../shared/recipe/terms.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { microBatchCount, microBatchRange } from '../../shared/replica/reduction/tree.js';
import { layoutReplica } from '../../shared/replica/layout.js';
import type { Replica } from '../../shared/replica/replica.js';
import { TeacherFailure, type RunCompute } from '../compute/contract.js';
import type { Probe } from '../threads/messages.js';

export interface ProbeOptions {
  readonly compute: RunCompute;
  readonly recipe: Recipe;
  readonly manifest: Manifest;
  readonly initialPath: string;
  readonly replica: Replica;
  /** A slot of the trainer's, to compute in. */
  readonly slot: number;
}

/**
 * Computes the probe, and leaves the initial weights in the student. A teacher that cannot label here fails its leases,
 * too, and the recipe says what comes of it.
 *
 * @throws ProtocolError when the initial state is not this student's
 */
export async function probe(options: ProbeOptions): Promise<Probe> {
  try {
    return await probeTwice(options);
  } catch (error) {
    if (!(error instanceof TeacherFailure)) throw error;
    return { digest: nothingComputed, repeatable: true, failed: error.message.slice(0, reasonLength) };
  }
}

/** The digest where nothing could be computed. */
const nothingComputed = '0'.repeat(16);
/** Longest reason of a failure on the wire, in characters. */
const reasonLength = 1024;

async function probeTwice({ compute, recipe, manifest, initialPath, replica, slot }: ProbeOptions): Promise<Probe> {
  loadInitial(compute, replica, initialPath);
  const size = Math.min(recipe.batch.size, manifest.train.samples);
  const { to } = microBatchRange(size, microBatchCount(size, recipe.batch.micro ?? recipe.batch.size), 0);
  const once = async (): Promise<string> => {
    const batch = await compute.trainBatch(0, 0, to);
    const divisors = Object.fromEntries(termsIn(recipe.losses).map(({ name }) => [name, batch.rows]));
    const step = { losses: lossesAt(recipe.losses), divisors, dropoutKey: [recipe.seed, 'dropout', 0, 0, 0] };
    replica.clearSlot(slot);
    const leaf = replica.leaf(slot).fill(0);
    const { hasGradient, moments } = await compute.student.gradients(batch, step, leaf);
    if (hasGradient) replica.writeMoments(slot, moments);
    else {
      replica.clearSlot(slot);
      leaf.fill(0);
    }
    // The gradient is not rounded yet, since rounding hides differences here that show elsewhere.
    return replica.hashLeaf(slot);
  };
  const digest = await once();
  const { numerics } = compute;
  return { digest, repeatable: (await once()) === digest, ...(numerics === undefined ? {} : { numerics }) };
}

/** Loads the weights of a state's file, which is laid out as a replica's memory without slots, into the student. */
function loadInitial(compute: RunCompute, { plan }: Replica, path: string): void {
  const { size } = statSync(path);
  if (size !== plan.stateBytes)
    throw new ProtocolError(`the initial state has ${size} bytes, this student's has ${plan.stateBytes}`);
  const layout = layoutReplica(plan, 0);
  const region = (at: number, length: number): Float32Array => {
    const floats = new Float32Array(length);
    readInto(path, new Uint8Array(floats.buffer), at);
    return floats;
  };
  compute.student.load(
    region(layout.weights, plan.gradientFloats),
    region(layout.frozen, plan.frozenFloats),
    region(layout.moving, plan.movingFloats),
  );
}
