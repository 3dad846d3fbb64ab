/**
 * A replica: the student's weights with all that an update needs, and the slots that gradients are summed in, in one
 * shared memory (drawn in plan.ts). It applies what commits say and knows nothing of their order (apply-commit.ts). Any
 * number of threads may attach to the same memory; who may touch state and slots when is for their owner to arrange.
 */
import type { Compression } from '../compression.js';
import { limits, type CommitScalars } from '../protocol/messages.js';
import { GradientReader } from './gradient-reader.js';
import { loadKernels, type Kernels } from './kernels/kernels.js';
import { createMemory } from './kernels/memory.js';
import { layoutReplica, type ReplicaLayout } from './layout.js';
import { moveMovingValues } from './moving-values.js';
import { updateOf } from './optimizer/update.js';
import { digestOf, hashOf, pieceHashes } from './piece-hash.js';
import type { ReplicaPlan } from './plan.js';
import { contributionBytes, momentsView, readMoments, writeMoments } from './reduction/contribution.js';
import { codecOf, type GradientCodec } from './reduction/encoding.js';
import type { PooledMoments } from './reduction/moments.js';
import { RunningHash, runningPlace, RunningSquares, type RunningPlace } from './running.js';
import { addHashed, gradientAlone, type IncomingSlot, type SlotFacts } from './slot-facts.js';
import { copyWeights, putWeights, type WeightRegions } from './weights-by-name.js';

/** How many slots a replica has, and the memory that it lies in. */
export interface ReplicaOptions {
  /** How many gradient buffers lie beside the state. */
  readonly slots: number;
  /** Attach to this memory, which another thread laid out by the same plan and slots; its content stays as it is. */
  readonly memory?: WebAssembly.Memory;
}

/** What a commit moves a replica by, beside its scalars. */
export interface CommitBody {
  /** The slot that holds the gradient; null moves no weights. */
  readonly slot: number | null;
  /** Pooled batch statistics; null moves no moving values. */
  readonly moments: PooledMoments | null;
  /** The gradient's encoding, where it is not the plan's. */
  readonly compression?: Compression;
}

/** Hashes of the state, 16 hex digits each. */
export interface StateHashes {
  /** Null where it was not asked for. */
  readonly before: string | null;
  readonly after: string;
}

/** One replica of the student in one shared memory. */
export class Replica implements WeightRegions {
  readonly plan: ReplicaPlan;
  /** How many gradient buffers there are. */
  readonly slots: number;
  readonly memory: WebAssembly.Memory;
  /** Views of the state's regions. */
  readonly weights: Float32Array;
  readonly frozen: Float32Array;
  readonly moving: Float32Array;
  /** The averaged weights, laid out as the weights; undefined where the optimizer keeps none. */
  readonly ema: Float32Array | undefined;
  readonly #layout: ReplicaLayout;
  readonly #kernels: Kernels;
  /** Rounds the run's gradients; null where they are float32. */
  readonly #codec: GradientCodec | null;
  readonly #reader: GradientReader;
  readonly #statistics: Float32Array;
  readonly #running: RunningPlace;

  /**
   * @throws UserError 65 when state and slots exceed one memory, 69 when the machine does not give it
   * @throws Error when the given memory is too small for plan and slots
   */
  constructor(plan: ReplicaPlan, options: ReplicaOptions) {
    this.plan = plan;
    this.slots = options.slots;
    this.#layout = layoutReplica(plan, options.slots);
    this.memory = options.memory ?? createMemory(this.#layout.end);
    if (this.memory.buffer.byteLength < this.#layout.end) throw new Error('the memory was laid out for another plan');
    this.#kernels = loadKernels(this.memory);
    this.#codec = this.#codecOf(plan.compression);
    const { window, windowFloats } = this.#layout;
    this.#reader = new GradientReader({ updates: plan.updates, floats: plan.gradientFloats, window, windowFloats });
    this.weights = this.#floats(this.#layout.weights, plan.gradientFloats);
    this.frozen = this.#floats(this.#layout.frozen, plan.frozenFloats);
    this.moving = this.#floats(this.#layout.moving, plan.movingFloats);
    this.ema = plan.hasEma ? this.#floats(this.#layout.ema, plan.gradientFloats) : undefined;
    this.#statistics = this.#floats(this.#layout.statistics, plan.movingFloats);
    this.#running = runningPlace(this.#kernels, this.memory, this.#layout.scratch);
  }

  // The state

  /** The whole state, for snapshots: a view. */
  state(): Uint8Array {
    return new Uint8Array(this.memory.buffer, 0, this.plan.stateBytes);
  }

  /** Hash of the whole state, 16 hex digits: replicas that differ in a bit differ in it. */
  hashState(): string {
    return this.#kernels.hash(0, this.plan.stateBytes);
  }

  /**
   * Starts from these weights, by name, all kinds: optimizer moments are zero, the averaged weights equal the weights.
   *
   * @throws UserError 65 when a weight is missing or has another number of values
   */
  loadWeights(values: ReadonlyMap<string, Float32Array>): void {
    this.state().fill(0);
    putWeights(this, this.plan.tensors, values);
    this.ema?.set(this.weights);
  }

  /** Copies of all weights by name, in the order of the topology. `ema`: the averaged ones, where there are any. */
  readWeights(source: 'weights' | 'ema' = 'weights'): Map<string, Float32Array> {
    const { weights, frozen, moving, ema = weights } = this;
    return copyWeights({ weights: source === 'ema' ? ema : weights, frozen, moving }, this.plan.tensors);
  }

  /**
   * Moves the state by one commit, in place. A skip moves nothing.
   *
   * @throws Error when the commit lacks a scalar; nothing has moved then
   */
  apply(scalars: CommitScalars, { slot, moments, compression = this.plan.compression }: CommitBody): void {
    if (scalars.skip) return;
    const [kernels, layout] = [this.#kernels, this.#layout];
    if (slot !== null) {
      const codec = compression === this.plan.compression ? this.#codec : this.#codecOf(compression);
      this.#reader.read(this.#slotAt(slot), codec, updateOf(this.plan, { kernels, layout, scalars }));
    }
    this.#moveMoving(moments);
  }

  /**
   * As `apply`, with the hash of the state that it comes to, which is taken as the weights are moved.
   *
   * @param isBefore whether the hash of the state before is wanted too; where the optimizer keeps nothing but weights it
   * costs no pass of its own, and is known once the state has moved
   */
  applyHashed(scalars: CommitScalars, body: CommitBody, isBefore: boolean): StateHashes {
    const { moments: kept, hasEma, gradientFloats, stateBytes } = this.plan;
    const { slot, moments, compression = this.plan.compression } = body;
    const isAlone = kept === 0 && !hasEma;
    const earlier = isBefore && (scalars.skip || slot === null || !isAlone) ? this.hashState() : null;
    if (scalars.skip || slot === null) {
      this.apply(scalars, body);
      return { before: earlier, after: this.hashState() };
    }
    const [kernels, layout, { hash, otherHash }] = [this.#kernels, this.#layout, this.#running];
    const update = updateOf(this.plan, { kernels, layout, scalars });
    const after = new RunningHash(kernels, hash);
    const before = isBefore && isAlone ? new RunningHash(kernels, otherHash) : null;
    const codec = compression === this.plan.compression ? this.#codec : this.#codecOf(compression);
    // The weights are the beginning of the state. A hash takes its parts by whole multiples of 128 bytes.
    const end = Math.floor((4 * gradientFloats) / 128) * 128;
    let was = earlier;
    this.#reader.readPieces(this.#slotAt(slot), codec, update, (from, to, move) => {
      const bytes = Math.min(4 * to, end) - 4 * from;
      before?.add(4 * from, bytes);
      if (before !== null && to === gradientFloats) was = before.close(end, stateBytes - end);
      move();
      after.add(4 * from, bytes);
    });
    this.#moveMoving(moments);
    return { before: was, after: after.close(end, stateBytes - end) };
  }

  #moveMoving(moments: PooledMoments | null): void {
    if (moments === null) return;
    const [kernels, layout, statistics] = [this.#kernels, this.#layout, this.#statistics];
    moveMovingValues(this.plan.norms, moments, { kernels, layout, statistics });
  }

  // Gradients in slots

  /** Gradient buffer `i`, gradientFloats floats: a view. Only where gradients are not rounded. */
  slot(i: number): Float32Array {
    if (this.#codec !== null) throw new Error(`slot ${i} holds no float32`);
    return this.#floats(this.#slotAt(i), this.plan.gradientFloats);
  }

  /**
   * A whole contribution, gradient and moments (reduction/contribution.ts): a view. One of another encoding than the
   * run's has room in the last slot alone.
   */
  slotBytes(i: number, compression: Compression = this.plan.compression): Uint8Array {
    if (compression !== this.plan.compression && i !== this.slots - 1) throw new Error(`slot ${i} is not the last one`);
    return new Uint8Array(this.memory.buffer, this.#slotAt(i), contributionBytes(this.plan, compression));
  }

  /**
   * Hashes of the pieces of the slot's contribution bytes (piece-hash.ts).
   *
   * @param known those of its first pieces, which are not taken again
   */
  hashPieces(i: number, compression?: Compression, known: readonly string[] = []): string[] {
    const rest = this.slotBytes(i, compression).subarray(known.length * limits.pieceBytes);
    return [...known, ...pieceHashes(rest, (piece) => this.hashPiece(piece))];
  }

  /** The digest of an offer or a commit whose bytes are the slot's, by the hashes of its pieces. */
  hashSlot(i: number, compression?: Compression): string {
    return digestOf(this.hashPieces(i, compression));
  }

  /** The hash of a piece (piece-hash.ts), taken in place where the bytes lie in this memory. */
  hashPiece(bytes: Uint8Array): string {
    if (bytes.buffer !== this.memory.buffer) return hashOf(bytes);
    return this.#kernels.hash(bytes.byteOffset, bytes.byteLength);
  }

  /** gradient[into] = gradient[into] + gradient[from], rounded; moments are pooled by their owner. */
  addSlots(into: number, from: number): void {
    if (this.#codec === null) this.#kernels.add(this.#slotAt(into), this.#slotAt(from), this.plan.gradientFloats);
    else this.#codec.add(this.#slotAt(into), this.#slotAt(from));
  }

  /**
   * As `addSlots`, with what is to be known of the sum before it is committed, taken while each part of it is in the
   * processor's cache; null where gradients are rounded, which it is not taken of.
   */
  addSlotsHashed(into: number, from: number): SlotFacts | null {
    if (this.#codec !== null) {
      this.addSlots(into, from);
      return null;
    }
    const { plan } = this;
    const [kernels, running, { windowFloats }] = [this.#kernels, this.#running, this.#layout];
    const places = { into: this.#slotAt(into), from: this.#slotAt(from) };
    return addHashed({ plan, kernels, running, partFloats: windowFloats }, places);
  }

  /** Begins to take a contribution into a slot: of each piece is taken at once what is to be known of it. */
  incoming(i: number): IncomingSlot {
    const at = this.#slotAt(i);
    const hashes: string[] = [];
    const squares = this.#codec === null ? new RunningSquares(this.#running, this.plan.updates, at) : null;
    let bytes = 0;
    return {
      take: (piece) => {
        const hash = this.hashPiece(piece);
        hashes.push(hash);
        bytes += piece.length;
        squares?.advance(Math.min(Math.floor(bytes / 4), this.plan.gradientFloats));
        return hash;
      },
      finish: () => {
        const sum = this.#finite(i, squares?.sum ?? this.slotSquares(i));
        return sum === null ? null : { hashes: gradientAlone(this.plan, hashes), squares: sum };
      },
    };
  }

  /** Makes gradient and moments zero. */
  clearSlot(i: number): void {
    this.#kernels.fillZero(this.#slotAt(i), this.#layout.slotStride / 4);
  }

  /** Whether gradient and moments are finite. */
  slotIsFinite(i: number): boolean {
    const at = this.#slotAt(i);
    const isFinite = this.#codec?.isFinite(at) ?? this.#kernels.isFinite(at, this.plan.gradientFloats);
    return isFinite && this.#momentsAreFinite(i);
  }

  /** Sum of squares of the gradient of all weights that move, in float64, for the clip norm. */
  slotSquares(i: number): number {
    return this.#squares(this.#slotAt(i), this.#codec);
  }

  /**
   * The same where gradient and moments are finite; null where they are not. A sum of squares in float64 is finite where
   * all float32 that it is of are, so that one pass answers both; what moves no weight may be anything.
   */
  finiteSquares(i: number): number | null {
    return this.#finite(i, this.slotSquares(i));
  }

  #finite(i: number, squares: number): number | null {
    const isSound = Number.isFinite(squares) ? this.#momentsAreFinite(i) : this.slotIsFinite(i);
    return isSound ? squares : null;
  }

  /** Copies the moments out of a slot, with the counts that travelled beside them; null for a student without any. */
  readMoments(i: number, counts: readonly number[], compression?: Compression): PooledMoments | null {
    return readMoments(this.plan, this.slotBytes(i, compression), counts, compression);
  }

  /** Writes moments into a slot; null leaves what is there. */
  writeMoments(i: number, moments: PooledMoments | null): void {
    writeMoments(this.plan, this.slotBytes(i), moments);
  }

  // A micro-batch's own gradient, before it is rounded into its slot

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

  /** Sum of squares of the leaf's gradient of all weights that move, in float64. */
  leafSquares(i: number): number {
    return this.#squares(this.#leafAt(i), null);
  }

  /** The same where leaf and moments are finite; null where they are not. One pass where all weights move. */
  finiteLeafSquares(i: number): number | null {
    const squares = this.leafSquares(i);
    const { updates, gradientFloats } = this.plan;
    const isAll = updates.reduce((sum, { floats }) => sum + floats, 0) === gradientFloats;
    const isSound = isAll && Number.isFinite(squares) ? this.#momentsAreFinite(i) : this.leafIsFinite(i);
    return isSound ? squares : null;
  }

  /** Hash of the leaf, in float32, and of the moments in its slot: the same however gradients are rounded. */
  hashLeaf(i: number): string {
    const at = this.#leafAt(i);
    const bytes = contributionBytes(this.plan, 'none');
    if (this.#codec !== null) {
      writeMoments(this.plan, new Uint8Array(this.memory.buffer, at, bytes), this.readMoments(i, []), 'none');
    }
    return this.#kernels.hash(at, bytes);
  }

  /** Puts the leaf into its slot: rounded, or as it is there already. */
  settleLeaf(i: number): void {
    this.#codec?.encode(this.#slotAt(i), this.#leafAt(i));
  }

  #momentsAreFinite(i: number): boolean {
    return momentsView(this.plan, this.slotBytes(i)).every(Number.isFinite);
  }

  #squares(at: number, codec: GradientCodec | null): number {
    let sum = 0;
    this.#reader.read(at, codec, (gradient, updates) => {
      for (const range of updates) sum += this.#kernels.sumOfSquares(gradient + 4 * range.offset, range.floats);
    });
    return sum;
  }

  #codecOf(compression: Compression): GradientCodec | null {
    return compression === 'none' ? null : codecOf(compression, this.#kernels, this.plan.gradientFloats);
  }

  #floats(at: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, at, length);
  }

  #leafAt(i: number): number {
    const slot = this.#slotAt(i);
    return this.#codec === null ? slot : this.#layout.leaf;
  }

  /** @throws Error when there is no such slot */
  #slotAt(i: number): number {
    if (!(i >= 0 && i < this.slots)) throw new Error(`slot ${i} of ${this.slots}`);
    return this.#layout.slots + i * this.#layout.slotStride;
  }
}
