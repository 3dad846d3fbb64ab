/**
 * The trainer's loop, in running order: lease, weights, micro-batch, labels, student, losses, gradients, contribution.
 * What a contribution holds depends on its samples, the weights and the keys alone, never on who computes it or when.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { faultPoint } from '../../shared/fault-points.js';
import type { Lease } from '../../shared/protocol/messages.js';
import { BlockSum } from '../../shared/replica/reduction/block-sum.js';
import { blockRange } from '../../shared/replica/reduction/tree.js';
import { lossesAt } from '../../shared/recipe/schedules.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { TeacherFailure, type GradientResult, type MicroBatch, type RunCompute } from '../compute/contract.js';
import type { Failure } from '../threads/messages.js';
import { evaluateStudent, evaluateTeachers } from './evaluation.js';
import type { Inbox } from './inbox.js';
import { MicroBatches } from './micro-batches.js';
import { PhaseClock, type PhasePlace } from './phase-clock.js';
import { objectionTo } from './soundness.js';
import { loadWeights } from './weights.js';

export interface TrainerOptions {
  readonly inbox: Inbox;
  readonly compute: RunCompute;
  readonly recipe: Pick<Recipe, 'seed' | 'losses'>;
}

interface Tools extends TrainerOptions {
  readonly microBatches: MicroBatches;
  readonly clock: PhaseClock;
}

/** Micro-batch `j` of a lease's step, and the sum that it is to be added to. */
interface Part {
  readonly lease: Lease;
  readonly j: number;
  readonly sum: BlockSum;
}

/** Computes leases until the inbox's queue is closed. @throws UserError when data or models cannot be had */
export async function train(options: TrainerOptions): Promise<void> {
  const { inbox, compute } = options;
  const { queue, replica, control } = inbox;
  const microBatches = new MicroBatches(compute);
  const clock = new PhaseClock(() => control.isTraced);
  for (;;) {
    const lease = await clock.time('wait', () => queue.next(), placeOf);
    if (lease === null) return microBatches.stop();
    const stateHash = await loadWeights(lease, { inbox, student: compute.student, microBatches, clock });
    if (stateHash === null) continue;
    const slots = await clock.time('wait', () => inbox.takeSlots(slotsFor(lease)), placeOf(lease));
    if (slots === null) continue;
    control.isBusy = true;
    const sum = new BlockSum({ slots, norms: replica.plan.norms, addSlots: (to, from) => replica.addSlots(to, from) });
    const { from, to } = blockRange(lease.block, lease.microBatches);
    let failure: Failure | null = null;
    for (let j = from; j < to && failure === null && !queue.isCancelled; j++) {
      failure = await addMicroBatch({ lease, j, sum }, { ...options, microBatches, clock });
      control.tensors = compute.tensors();
      control.tick();
      faultPoint('computing');
      // Cancels come in between two micro-batches.
      await nextTurn();
    }
    control.isBusy = false;
    if (failure !== null) inbox.fail(lease, failure);
    if (failure !== null || queue.isCancelled) inbox.giveBack(slots);
    else inbox.contribute(lease, { stateHash, slots, sum: sum.result(), seconds: clock.take() });
    const spans = clock.takeSpans();
    if (spans !== null) inbox.trace(spans);
  }
}

/**
 * Computes a micro-batch and adds it to its sum.
 *
 * @returns why it could not be added, which is data for the coordinator and no error here; null where it was
 */
async function addMicroBatch(part: Part, tools: Tools): Promise<Failure | null> {
  const { lease, j, sum } = part;
  const { microBatches, clock, inbox } = tools;
  const place = { ...placeOf(lease), microBatch: j };
  try {
    const batch = await clock.time('labels', () => microBatches.take(lease, j), place);
    const name = lease.kind === 'evaluate' ? 'evaluate' : 'student';
    const result = await clock.time('student', () => resultOf(part, batch, tools), { ...place, name });
    const reason = objectionTo(result, inbox.replica, () => sum.nextSlot());
    if (reason !== null) return { microBatch: j, reason };
    await clock.time(
      'reduce',
      () => {
        // A micro-batch's own gradient is rounded like every sum of them.
        if (result.hasGradient) inbox.replica.settleLeaf(sum.nextSlot());
        sum.push(result);
      },
      place,
    );
    return null;
  } catch (error) {
    if (!(error instanceof TeacherFailure)) throw error;
    return { microBatch: j, reason: error.reason, teacher: error.teacher };
  }
}

/** Student, losses and gradients of a labelled micro-batch; of an evaluation, what the models get right. */
async function resultOf({ lease, j, sum }: Part, batch: MicroBatch, tools: Tools): Promise<GradientResult> {
  const { compute, recipe, inbox } = tools;
  if (lease.kind === 'evaluate') {
    const sums = await (lease.subject === 'teachers'
      ? evaluateTeachers(batch, compute, lease.dropped ?? [])
      : evaluateStudent(batch, compute));
    return { hasGradient: false, sums, moments: null };
  }
  const step = {
    losses: lossesAt(recipe.losses, lease.scalars),
    divisors: lease.divisors,
    dropoutKey: [recipe.seed, 'dropout', lease.epoch, lease.from, j],
    isProbed: lease.from === 0 && j === 0,
  };
  const leaf = inbox.replica.leaf(sum.nextSlot());
  return compute.student.gradients(batch, step, leaf);
}

/** What the spans of a lease are for; of no lease, for nothing. */
function placeOf(lease: Lease): PhasePlace;
function placeOf(lease: Lease | null): PhasePlace | null;
function placeOf(lease: Lease | null): PhasePlace | null {
  return lease === null ? null : { step: lease.step, microBatch: null, lease: lease.id };
}

/** Slots for a block's gradients; an evaluation has none. */
function slotsFor(lease: Lease): number {
  return lease.kind === 'evaluate' ? 0 : lease.block.level + 1;
}
