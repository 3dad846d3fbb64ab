/**
 * A replica: the student's weights with all that an update needs, in one shared memory, and the fold over the log:
 * state = apply(state, commit), the same bits on every replica. Any number of threads may attach to the same memory; who
 * may touch which slot when is for their owner to arrange.
 */
import { exitCodes, UserError } from './errors.js';
import { createMemory, loadKernels, type Kernels } from './kernels/kernels.js';
import type { CommitScalars } from './protocol/messages.js';
import { contributionBytes, readMoments, writeMoments } from './reduction/contribution.js';
import type { PooledMoments } from './reduction/moments.js';
import type { NormLayer, ReplicaPlan, TensorPlace } from './replica-plan.js';
import { applyUpdate } from './optimizer/update.js';

export interface ReplicaOptions {
  /** Gradient buffers beside the state. */
  readonly slots: number;
  /** Attach to this memory, which another thread laid out by the same plan and slots; its content stays as it is. */
  readonly memory?: WebAssembly.Memory;
}

/** Byte offsets in the memory. */
export interface ReplicaLayout {
  readonly weights: number;
  /** Start of each optimizer moment. */
  readonly moments: readonly number[];
  readonly ema: number;
  readonly frozen: number;
  readonly moving: number;
  /** This commit's batch statistics, laid out as the moving values. */
  readonly statistics: number;
  readonly slots: number;
  readonly slotStride: number;
  readonly end: number;
}

export function layoutReplica(plan: ReplicaPlan, slots: number): ReplicaLayout {
  const region = 4 * plan.gradientFloats;
  const moments = Array.from({ length: plan.moments }, (_, i) => region * (i + 1));
  const ema = region * (1 + plan.moments);
  const frozen = ema + (plan.hasEma ? region : 0);
  const moving = frozen + 4 * plan.frozenFloats;
  const slotStart = plan.stateBytes + 4 * plan.movingFloats;
  const slotStride = Math.ceil(contributionBytes(plan) / 16) * 16;
  return {
    weights: 0, moments, ema, frozen, moving, statistics: plan.stateBytes,
    slots: slotStart, slotStride, end: slotStart + slots * slotStride,
  };
}

export class Replica {
  readonly plan: ReplicaPlan;
  readonly slots: number;
  readonly memory: WebAssembly.Memory;
  /** Views of the state's regions. */
  readonly weights: Float32Array;
  readonly frozen: Float32Array;
  readonly moving: Float32Array;
  readonly ema: Float32Array | undefined;
  readonly #layout: ReplicaLayout;
  readonly #kernels: Kernels;

  /** @throws UserError when state and slots exceed one memory. */
  constructor(plan: ReplicaPlan, options: ReplicaOptions) {
    this.plan = plan;
    this.slots = options.slots;
    this.#layout = layoutReplica(plan, options.slots);
    this.memory = options.memory ?? createMemory(this.#layout.end);
    if (this.memory.buffer.byteLength < this.#layout.end) throw new Error('the memory was laid out for another plan');
    this.#kernels = loadKernels(this.memory);
    this.weights = this.#floats(this.#layout.weights, plan.gradientFloats);
    this.frozen = this.#floats(this.#layout.frozen, plan.frozenFloats);
    this.moving = this.#floats(this.#layout.moving, plan.movingFloats);
    this.ema = plan.hasEma ? this.#floats(this.#layout.ema, plan.gradientFloats) : undefined;
  }

  /** The whole state, for snapshots: a view. */
  state(): Uint8Array {
    return new Uint8Array(this.memory.buffer, 0, this.plan.stateBytes);
  }

  hashState(): string {
    return this.#kernels.hash(0, this.plan.stateBytes);
  }

  stateIsFinite(): boolean {
    return this.#kernels.isFinite(0, this.plan.stateBytes / 4);
  }

  /** Gradient buffer `i`, gradientFloats floats: a view. */
  slot(i: number): Float32Array {
    return this.#floats(this.#slotAt(i), this.plan.gradientFloats);
  }

  /** A whole contribution, gradient and moments (reduction/contribution.ts): a view. */
  slotBytes(i: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, this.#slotAt(i), contributionBytes(this.plan));
  }

  /** Hash of the slot's contribution bytes: the digest of an offer or a commit. */
  hashSlot(i: number): string {
    return this.#kernels.hash(this.#slotAt(i), contributionBytes(this.plan));
  }

  /** gradient[into] = gradient[into] + gradient[from]; moments are pooled by their owner. */
  addSlots(into: number, from: number): void {
    this.#kernels.add(this.#slotAt(into), this.#slotAt(from), this.plan.gradientFloats);
  }

  /** Copies gradient and moments. */
  copySlot(into: number, from: number): void {
    this.#kernels.copy(this.#slotAt(into), this.#slotAt(from), this.#layout.slotStride / 4);
  }

  clearSlot(i: number): void {
    this.#kernels.fillZero(this.#slotAt(i), this.#layout.slotStride / 4);
  }

  /** Whether gradient and moments are finite. */
  slotIsFinite(i: number): boolean {
    if (!this.#kernels.isFinite(this.#slotAt(i), this.plan.gradientFloats)) return false;
    const moments = readMoments(this.plan, this.slotBytes(i), []);
    return moments === null || moments.values.every(Number.isFinite);
  }

  /** Sum of squares of the gradient of all weights that move, in float64, for the clip norm. */
  slotSquares(i: number): number {
    const start = this.#slotAt(i);
    return this.plan.updates.reduce((sum, range) => sum + this.#kernels.sumOfSquares(start + 4 * range.offset, range.floats), 0);
  }

  readMoments(i: number, counts: readonly number[]): PooledMoments | null {
    return readMoments(this.plan, this.slotBytes(i), counts);
  }

  writeMoments(i: number, moments: PooledMoments | null): void {
    writeMoments(this.plan, this.slotBytes(i), moments);
  }

  /** One commit, in place. A skip moves nothing; `slot` null moves no weights; `moments` null no moving values. */
  apply(scalars: CommitScalars, slot: number | null, moments: PooledMoments | null): void {
    if (scalars.skip) return;
    if (slot !== null) applyUpdate(this.plan, this.#kernels, { layout: this.#layout, gradient: this.#slotAt(slot), scalars });
    if (moments !== null) this.#moveMoments(moments);
  }

  /** Starts from these weights, by name, all kinds: optimizer moments are zero, the ema equals the weights. */
  loadWeights(values: ReadonlyMap<string, Float32Array>): void {
    this.state().fill(0);
    for (const place of this.plan.tensors) this.#view(place).set(checkedValues(place, values));
    this.ema?.set(this.weights);
  }

  /** Copies of all weights by name, in the order of the topology; `ema`: the averaged weights in place of the trained. */
  readWeights(source: 'weights' | 'ema' = 'weights'): Map<string, Float32Array> {
    const read = (place: TensorPlace): Float32Array => {
      const isAveraged = source === 'ema' && place.region === 'weights' && this.ema !== undefined;
      return Float32Array.from(isAveraged ? this.#floats(this.#layout.ema + 4 * place.offset, place.size) : this.#view(place));
    };
    return new Map(this.plan.tensors.map((place) => [place.spec.name, read(place)]));
  }

  #view(place: TensorPlace): Float32Array {
    return this[place.region].subarray(place.offset, place.offset + place.size);
  }

  #floats(at: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, at, length);
  }

  #slotAt(i: number): number {
    if (!(i >= 0 && i < this.slots)) throw new Error(`slot ${i} of ${this.slots}`);
    return this.#layout.slots + i * this.#layout.slotStride;
  }

  /** moving = momentum x moving + (1 - momentum) x statistic, the statistic rounded to float32 first. */
  #moveMoments(moments: PooledMoments): void {
    const statistics = this.#floats(this.#layout.statistics, this.plan.movingFloats);
    let offset = 0;
    this.plan.norms.forEach((norm, layer) => {
      const count = moments.counts[layer] ?? 0;
      if (count > 0) {
        writeStatistics(statistics, norm, { values: moments.values.subarray(offset, offset + 2 * norm.channels), count });
        this.#moveLayer(norm);
      }
      offset += 2 * norm.channels;
    });
  }

  #moveLayer(norm: NormLayer): void {
    const n = Math.ceil(norm.channels / 4) * 4;
    for (const offset of [norm.meanOffset, norm.varianceOffset]) {
      this.#kernels.movingAverage(this.#layout.moving + 4 * offset, this.#layout.statistics + 4 * offset, n, norm.momentum, 1 - norm.momentum);
    }
  }
}

/** Pooled mean and biased variance M2 / count of one layer. */
function writeStatistics(statistics: Float32Array, norm: NormLayer, pooled: { values: Float64Array; count: number }): void {
  for (let channel = 0; channel < norm.channels; channel++) {
    statistics[norm.meanOffset + channel] = pooled.values[channel] ?? 0;
    statistics[norm.varianceOffset + channel] = (pooled.values[norm.channels + channel] ?? 0) / pooled.count;
  }
}

function checkedValues({ spec, size }: TensorPlace, values: ReadonlyMap<string, Float32Array>): Float32Array {
  const found = values.get(spec.name);
  if (found === undefined) throw new UserError(`weights: no tensor named ${spec.name}`, exitCodes.data);
  if (found.length !== size) {
    throw new UserError(`weights: ${spec.name} has ${found.length} values, the student needs ${size} [${spec.shape.join(', ')}]`, exitCodes.data);
  }
  return found;
}
