/**
 * A replica: the student's weights with all that an update needs, in one shared memory, and the fold over the log:
 * state = apply(state, commit), the same bits on every replica. Any number of threads may attach to the same memory;
 * who may touch which slot when is for their owner to arrange.
 */
import { exitCodes, UserError } from '../errors.js';
import { createMemory, loadKernels, type Kernels } from './kernels/kernels.js';
import { checksumOf } from './checksum.js';
import type { CommitScalars } from '../protocol/messages.js';
import { contributionBytes, readMoments, writeMoments } from './reduction/contribution.js';
import { compressions, type Compression } from '../compression.js';
import { blockFloats, codecOf, type GradientCodec } from './reduction/encoding.js';
import type { PooledMoments } from './reduction/moments.js';
import { updatesIn, type NormLayer, type ReplicaPlan, type TensorPlace } from './plan.js';
import { applyUpdate, type UpdateRange } from './optimizer/update.js';

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
  /**
   * The last slot is long enough for a contribution of any encoding: a log tells of what was, and replicas read it
   * there.
   */
  readonly slots: number;
  readonly slotStride: number;
  /** Where a piece of a rounded gradient becomes float32 again. */
  readonly window: number;
  readonly windowFloats: number;
  /**
   * Where slots hold rounded gradients: a micro-batch's own gradient in float32, before it is rounded into its slot.
   */
  readonly leaf: number;
  readonly end: number;
}

/** 64 KiB: a piece stays in the processor's cache until it is used. */
const windowFloats = 128 * blockFloats;

export function layoutReplica(plan: ReplicaPlan, slots: number): ReplicaLayout {
  const region = 4 * plan.gradientFloats;
  const moments = Array.from({ length: plan.moments }, (_, i) => region * (i + 1));
  const ema = region * (1 + plan.moments);
  const frozen = ema + (plan.hasEma ? region : 0);
  const moving = frozen + 4 * plan.frozenFloats;
  const slotStart = plan.stateBytes + 4 * plan.movingFloats;
  const slotStride = strideOf(plan, plan.compression);
  const window =
    slotStart +
    Math.max(0, slots - 1) * slotStride +
    Math.max(...compressions.map((compression) => strideOf(plan, compression)));
  const leaf = window + 4 * Math.min(windowFloats, plan.gradientFloats);
  return {
    weights: 0,
    moments,
    ema,
    frozen,
    moving,
    statistics: plan.stateBytes,
    slots: slotStart,
    slotStride,
    window,
    windowFloats: Math.min(windowFloats, plan.gradientFloats),
    leaf,
    end: leaf + (plan.compression === 'none' ? 0 : strideOf(plan, 'none')),
  };
}

function strideOf(plan: ReplicaPlan, compression: Compression): number {
  return Math.ceil(contributionBytes(plan, compression) / 16) * 16;
}

interface Piece {
  /** Half-open, in floats from the start of a gradient. */
  readonly from: number;
  readonly to: number;
  readonly updates: readonly UpdateRange[];
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
  /** By which the run's gradients are rounded; null: they are float32. */
  readonly #codec: GradientCodec | null;
  #pieces: readonly Piece[] | null = null;

  /** @throws UserError when state and slots exceed one memory. */
  constructor(plan: ReplicaPlan, options: ReplicaOptions) {
    this.plan = plan;
    this.slots = options.slots;
    this.#layout = layoutReplica(plan, options.slots);
    this.memory = options.memory ?? createMemory(this.#layout.end);
    if (this.memory.buffer.byteLength < this.#layout.end) throw new Error('the memory was laid out for another plan');
    this.#kernels = loadKernels(this.memory);
    this.#codec = this.#codecOf(plan.compression);
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

  /** Gradient buffer `i`, gradientFloats floats: a view. Only where gradients are not rounded. */
  slot(i: number): Float32Array {
    if (this.#codec !== null) throw new Error(`slot ${i} holds no float32`);
    return this.#floats(this.#slotAt(i), this.plan.gradientFloats);
  }

  /**
   * Where the gradient of the micro-batch that is next to go to slot `i` is computed, gradientFloats floats: a view. It
   * is the slot itself, or, where slots hold rounded gradients, a place beside them all, for one thread and one
   * gradient at a time.
   */
  leaf(i: number): Float32Array {
    return this.#floats(this.#leafAt(i), this.plan.gradientFloats);
  }

  /** Whether the leaf, and the moments in its slot, are finite. */
  leafIsFinite(i: number): boolean {
    return this.#kernels.isFinite(this.#leafAt(i), this.plan.gradientFloats) && this.#momentsAreFinite(i);
  }

  /** As `slotSquares`, of the leaf. */
  leafSquares(i: number): number {
    const at = this.#leafAt(i);
    return this.plan.updates.reduce(
      (sum, range) => sum + this.#kernels.sumOfSquares(at + 4 * range.offset, range.floats),
      0,
    );
  }

  /** Hash of the leaf, in float32, and of the moments in its slot: the same however gradients are rounded. */
  hashLeaf(i: number): string {
    const at = this.#leafAt(i);
    const bytes = contributionBytes(this.plan, 'none');
    if (this.#codec !== null)
      writeMoments(this.plan, new Uint8Array(this.memory.buffer, at, bytes), this.readMoments(i, []), 'none');
    return this.#kernels.hash(at, bytes);
  }

  /** Puts the leaf into its slot: rounded, or as it is there already. */
  settleLeaf(i: number): void {
    this.#codec?.encode(this.#slotAt(i), this.#leafAt(i));
  }

  /**
   * A whole contribution, gradient and moments (reduction/contribution.ts): a view. Of another encoding than the run's:
   * the last slot.
   */
  slotBytes(i: number, compression: Compression = this.plan.compression): Uint8Array {
    if (compression !== this.plan.compression && i !== this.slots - 1) throw new Error(`slot ${i} is not the last one`);
    return new Uint8Array(this.memory.buffer, this.#slotAt(i), contributionBytes(this.plan, compression));
  }

  /** Hash of the slot's contribution bytes: the digest of an offer or a commit. */
  hashSlot(i: number, compression?: Compression): string {
    return this.#kernels.hash(this.#slotAt(i), contributionBytes(this.plan, compression));
  }

  /** The checksum of a chunk (protocol/checksum.ts), in place where the bytes lie in this memory. */
  checksum(bytes: Uint8Array): number {
    return bytes.buffer === this.memory.buffer
      ? this.#kernels.checksum(bytes.byteOffset, bytes.byteLength)
      : checksumOf(bytes);
  }

  /** gradient[into] = gradient[into] + gradient[from], rounded; moments are pooled by their owner. */
  addSlots(into: number, from: number): void {
    if (this.#codec === null) this.#kernels.add(this.#slotAt(into), this.#slotAt(from), this.plan.gradientFloats);
    else this.#codec.add(this.#slotAt(into), this.#slotAt(from));
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
    const at = this.#slotAt(i);
    return (
      (this.#codec?.isFinite(at) ?? this.#kernels.isFinite(at, this.plan.gradientFloats)) && this.#momentsAreFinite(i)
    );
  }

  /** Sum of squares of the gradient of all weights that move, in float64, for the clip norm. */
  slotSquares(i: number): number {
    let sum = 0;
    this.#eachPiece(i, this.plan.compression, (gradient, updates) => {
      for (const range of updates) sum += this.#kernels.sumOfSquares(gradient + 4 * range.offset, range.floats);
    });
    return sum;
  }

  readMoments(i: number, counts: readonly number[], compression?: Compression): PooledMoments | null {
    return readMoments(this.plan, this.slotBytes(i, compression), counts, compression);
  }

  writeMoments(i: number, moments: PooledMoments | null): void {
    writeMoments(this.plan, this.slotBytes(i), moments);
  }

  /** One commit, in place. A skip moves nothing; `slot` null moves no weights; `moments` null no moving values. */
  apply(
    scalars: CommitScalars,
    slot: number | null,
    moments: PooledMoments | null,
    compression: Compression = this.plan.compression,
  ): void {
    if (scalars.skip) return;
    if (slot !== null) {
      this.#eachPiece(slot, compression, (gradient, updates) =>
        applyUpdate(this.plan, this.#kernels, { layout: this.#layout, gradient, updates, scalars }),
      );
    }
    if (moments !== null) this.#moveMoments(moments);
  }

  /** Starts from these weights, by name, all kinds: optimizer moments are zero, the ema equals the weights. */
  loadWeights(values: ReadonlyMap<string, Float32Array>): void {
    this.state().fill(0);
    for (const place of this.plan.tensors) this.#view(place).set(checkedValues(place, values));
    this.ema?.set(this.weights);
  }

  /**
   * Copies of all weights by name, in the order of the topology; `ema`: the averaged weights in place of the trained.
   */
  readWeights(source: 'weights' | 'ema' = 'weights'): Map<string, Float32Array> {
    const read = (place: TensorPlace): Float32Array => {
      const isAveraged = source === 'ema' && place.region === 'weights' && this.ema !== undefined;
      return Float32Array.from(
        isAveraged ? this.#floats(this.#layout.ema + 4 * place.offset, place.size) : this.#view(place),
      );
    };
    return new Map(this.plan.tensors.map((place) => [place.spec.name, read(place)]));
  }

  #momentsAreFinite(i: number): boolean {
    return this.readMoments(i, [])?.values.every(Number.isFinite) ?? true;
  }

  /**
   * Calls `use` with all of a slot's gradient as float32: at once where it lies, or piece by piece through the window.
   */
  #eachPiece(
    i: number,
    compression: Compression,
    use: (gradient: number, updates: readonly UpdateRange[]) => void,
  ): void {
    const at = this.#slotAt(i);
    const codec = compression === this.plan.compression ? this.#codec : this.#codecOf(compression);
    if (codec === null) return use(at, this.plan.updates);
    const { window, windowFloats: length } = this.#layout;
    this.#pieces ??= piecesOf(this.plan, length);
    for (const { from, to, updates } of this.#pieces) {
      codec.decode(window, at, from, to - from);
      // Where the whole gradient would begin, so that its offsets count from there.
      use(window - 4 * from, updates);
    }
  }

  #codecOf(compression: Compression): GradientCodec | null {
    return compression === 'none' ? null : codecOf(compression, this.#kernels, this.plan.gradientFloats);
  }

  #view(place: TensorPlace): Float32Array {
    return this[place.region].subarray(place.offset, place.offset + place.size);
  }

  #floats(at: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, at, length);
  }

  #leafAt(i: number): number {
    const slot = this.#slotAt(i);
    return this.#codec === null ? slot : this.#layout.leaf;
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
        writeStatistics(statistics, norm, {
          values: moments.values.subarray(offset, offset + 2 * norm.channels),
          count,
        });
        this.#moveLayer(norm);
      }
      offset += 2 * norm.channels;
    });
  }

  #moveLayer(norm: NormLayer): void {
    const n = Math.ceil(norm.channels / 4) * 4;
    for (const offset of [norm.meanOffset, norm.varianceOffset]) {
      this.#kernels.movingAverage(
        this.#layout.moving + 4 * offset,
        this.#layout.statistics + 4 * offset,
        n,
        norm.momentum,
        1 - norm.momentum,
      );
    }
  }
}

/** Pieces that hold something that moves. */
function piecesOf(plan: ReplicaPlan, length: number): Piece[] {
  return Array.from({ length: Math.ceil(plan.gradientFloats / length) }, (_, i): Piece => {
    const [from, to] = [i * length, Math.min((i + 1) * length, plan.gradientFloats)];
    return { from, to, updates: updatesIn(plan, from, to) };
  }).filter(({ updates }) => updates.length > 0);
}

/** Pooled mean and biased variance M2 / count of one layer. */
function writeStatistics(
  statistics: Float32Array,
  norm: NormLayer,
  pooled: { values: Float64Array; count: number },
): void {
  for (let channel = 0; channel < norm.channels; channel++) {
    statistics[norm.meanOffset + channel] = pooled.values[channel] ?? 0;
    statistics[norm.varianceOffset + channel] = (pooled.values[norm.channels + channel] ?? 0) / pooled.count;
  }
}

function checkedValues({ spec, size }: TensorPlace, values: ReadonlyMap<string, Float32Array>): Float32Array {
  const found = values.get(spec.name);
  if (found === undefined) throw new UserError(`weights: no tensor named ${spec.name}`, exitCodes.data);
  if (found.length !== size) {
    throw new UserError(
      `weights: ${spec.name} has ${found.length} values, the student needs ${size} [${spec.shape.join(', ')}]`,
      exitCodes.data,
    );
  }
  return found;
}
