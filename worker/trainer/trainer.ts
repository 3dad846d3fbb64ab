/**
 * The trainer's loop, in running order: lease, weights, micro-batch, labels, student, losses, gradients, contribution.
 * What a contribution holds depends on its samples, the weights and the keys alone, never on who computes it or when.
 */
import { faultPoint } from '../../shared/fault-points.js';
import type { Lease } from '../../shared/protocol/messages.js';
import type { Sums } from '../../shared/replica/reduction/contribution.js';
import { BlockSum } from '../../shared/replica/reduction/block-sum.js';
import { blockRange } from '../../shared/replica/reduction/tree.js';
import { lossesAt } from '../../shared/recipe/schedules.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { TeacherFailure, type GradientResult, type RunCompute } from '../compute/contract.js';
import type { Desk } from './inbox.js';
import { evaluateStudent, evaluateTeachers } from './evaluation.js';
import { MicroBatches } from './micro-batches.js';
import { PhaseClock } from './phase-clock.js';
import type { Failure } from '../threads/messages.js';

export interface TrainerOptions {
  readonly desk: Desk;
  readonly compute: RunCompute;
  readonly recipe: Pick<Recipe, 'seed' | 'losses'>;
}

/** Computes leases until the desk's queue is closed. @throws UserError when data or models cannot be had */
export async function train({ desk, compute, recipe }: TrainerOptions): Promise<void> {
  const microBatches = new MicroBatches(compute);
  const clock = new PhaseClock();
  for (;;) {
    const lease = await clock.time('wait', () => desk.queue.next());
    if (lease === null) return microBatches.stop();
    const stateHash = await weightsOf(lease, { desk, compute, microBatches, clock });
    const slots = stateHash === null ? null : await clock.time('wait', () => desk.takeSlots(slotsFor(lease)));
    if (stateHash === null || slots === null) continue;
    desk.control.isBusy = true;
    const sum = new BlockSum({
      slots,
      norms: desk.replica.plan.norms,
      addSlots: (into, from) => desk.replica.addSlots(into, from),
    });
    const { from, to } = blockRange(lease.block, lease.microBatches);
    let bad: Failure | null = null;
    for (let j = from; j < to && bad === null && !desk.queue.isCancelled; j++) {
      const batch = await clock.time('labels', () => orFailure(microBatches.take(lease, j)));
      const part =
        batch instanceof TeacherFailure
          ? batch
          : await clock.time('student', async (): Promise<GradientResult | TeacherFailure> => {
              if (lease.kind === 'evaluate')
                return lease.subject === 'teachers'
                  ? orFailure(evaluateTeachers(batch, compute, lease.dropped ?? []).then(withoutGradient))
                  : withoutGradient(evaluateStudent(batch, compute));
              const step = {
                losses: lossesAt(recipe.losses, lease.scalars),
                divisors: lease.divisors,
                dropoutKey: [recipe.seed, 'dropout', lease.epoch, lease.from, j],
                isProbed: lease.from === 0 && j === 0,
              };
              return compute.student.gradients(
                batch.inputs,
                batch.rows,
                batch.targets,
                step,
                desk.replica.leaf(sum.nextSlot()),
              );
            });
      bad = failureOf(part, j, { desk, sum });
      if (bad === null && !(part instanceof TeacherFailure)) await clock.time('reduce', () => addTo(sum, part, desk));
      desk.control.tensors = compute.tensors();
      desk.control.tick();
      faultPoint('computing');
      await nextTurn();
    }
    desk.control.isBusy = false;
    if (bad !== null) desk.fail(lease, bad);
    if (bad !== null || desk.queue.isCancelled) {
      desk.giveBack(slots);
      continue;
    }
    const result = sum.result();
    desk.giveBack(slots.filter((slot) => slot !== result.slot));
    desk.contribute(lease, stateHash, result, clock.take());
  }
}

/** A teacher's failure is data here: the coordinator says what becomes of it. */
async function orFailure<T>(work: Promise<T>): Promise<T | TeacherFailure> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof TeacherFailure) return error;
    throw error;
  }
}

/** Slots for a block's gradients; an evaluation has none. */
function slotsFor(lease: Lease): number {
  return lease.kind === 'evaluate' ? 0 : lease.block.level + 1;
}

interface Waiting extends Pick<TrainerOptions, 'desk' | 'compute'> {
  readonly microBatches: MicroBatches;
  readonly clock: PhaseClock;
}

/**
 * Waits until the lease's weights are here and loads them, labelling ahead meanwhile. Gives the state's hash, or null
 * when the lease has become void: cancelled, or its step committed without it.
 */
async function weightsOf(lease: Lease, { desk, compute, microBatches, clock }: Waiting): Promise<string | null> {
  microBatches.keepOnly([lease, ...desk.queue.waiting]);
  const isCancelled = (): boolean => desk.queue.isCancelled;
  while (!isCancelled()) {
    const where = desk.weightsAre(lease);
    if (where === 'ahead') return null;
    if (where === 'here') return clock.time('load', () => desk.loadWeights(lease.step, compute.student));
    const made = await clock.time('labels', async () => {
      const next = microBatches.startNext([lease, ...desk.queue.waiting]);
      // A failure is met by the lease that the micro-batch is for.
      return next === null ? null : orFailure(next);
    });
    // The event loop must turn, or the weights' arrival is not seen.
    await nextTurn();
    if (made === null && !isCancelled() && desk.weightsAre(lease) === 'behind')
      await clock.time('wait', () => desk.queue.changed());
  }
  return null;
}

function withoutGradient(sums: Sums): GradientResult {
  return { hasGradient: false, sums, moments: null };
}

/** Why this micro-batch must not enter the sum; null for none. */
function failureOf(
  part: GradientResult | TeacherFailure,
  microBatch: number,
  { desk, sum }: { desk: Desk; sum: BlockSum },
): Failure | null {
  if (part instanceof TeacherFailure) return { microBatch, reason: part.reason, teacher: part.teacher };
  const reason = objectionTo(part, desk, sum);
  return reason === null ? null : { microBatch, reason };
}

function objectionTo(part: GradientResult, desk: Desk, sum: BlockSum): string | null {
  const badSum = Object.entries(part.sums).find(([, value]) => !Number.isFinite(value));
  if (badSum !== undefined) return `${badSum[0]} is ${badSum[1]}`;
  if (!part.hasGradient) return null;
  const slot = sum.nextSlot();
  desk.replica.writeMoments(slot, part.moments);
  if (!desk.replica.leafIsFinite(slot)) return 'the gradient is not finite';
  const norm = Math.sqrt(desk.replica.leafSquares(slot));
  return norm > absurdNorm ? `the gradient's norm is ${norm.toPrecision(3)}, beyond ${absurdNorm}` : null;
}

/** A micro-batch's own gradient is rounded like every sum of them. */
function addTo(sum: BlockSum, part: GradientResult, desk: Desk): void {
  if (part.hasGradient) desk.replica.settleLeaf(sum.nextSlot());
  sum.push(part);
}

/**
 * No training comes here; a broken device or a broken number does. By micro-batch, so that it does not depend on who
 * computes what.
 */
const absurdNorm = 1e15;

/** Lets messages in: cancels are seen between micro-batches. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
