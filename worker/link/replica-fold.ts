/**
 * The worker's replica as a fold over the log (shared/replica/apply-commit.ts): a commit is held when it comes and
 * applied when it is released. It runs on the link's thread; the trainer reads the same memory under the control's
 * lock.
 */
import { ProtocolError } from '../../shared/errors.js';
import { isDue } from '../../shared/fault-points.js';
import type { Plane, PlaneReceiver } from '../../shared/exchange/plane.js';
import { socketPlane } from '../../shared/exchange/planes/socket.js';
import type { Down } from '../../shared/protocol/messages.js';
import { applyCommit, expectNext, isApplied } from '../../shared/replica/apply-commit.js';
import { contributionBytes } from '../../shared/replica/reduction/contribution.js';
import type { Replica } from '../../shared/replica/replica.js';
import type { LinkView } from '../threads/control.js';

/** A snapshot's state where it lies, checked against its digest. */
export interface StoredState {
  readonly bytes: number;
  /** Copies it to memory of the same length, straight from where it lies. */
  readonly copyTo: (target: Uint8Array) => void;
}

interface HeldCommit {
  readonly message: Down<'commit'>;
  /** Bytes still to come; null once they are all here and their digest is right. */
  missing: PlaneReceiver | null;
}

/** A replica that follows a coordinator's log. */
export class ReplicaFold {
  readonly replica: Replica;
  readonly #control: LinkView;
  /** The replica's last slot, in which commits are held. No other thread uses it. */
  readonly #slot: number;
  /** The way that commits take to this worker. */
  #plane: Plane = socketPlane;
  #held: HeldCommit | null = null;
  #stateHash = '';
  #receipt = '';
  #milliseconds = 0;

  constructor(replica: Replica, control: LinkView, commitSlot: number) {
    this.replica = replica;
    this.#control = control;
    this.#slot = commitSlot;
  }

  /** Receives by this plane from now on, on a new connection. */
  usePlane(plane: Plane): void {
    this.#plane = plane;
  }

  /** Commits applied. */
  get step(): number {
    return this.#control.step;
  }

  /** Hash of the state after them; empty before a snapshot is loaded. */
  get stateHash(): string {
    return this.#stateHash;
  }

  /** What the coordinator gave as a proof of having released them; empty for none. */
  get receipt(): string {
    return this.#receipt;
  }

  /** Seconds that the application of commits has taken, hashes included, since this was asked last. */
  takeSeconds(): number {
    const seconds = this.#milliseconds / 1000;
    this.#milliseconds = 0;
    return seconds;
  }

  /**
   * Starts from a snapshot's state.
   *
   * @param receipt the coordinator's proof of having released the commits before it
   * @throws ProtocolError when its size is not that of this student's state
   */
  load(state: StoredState, { step, receipt }: { readonly step: number; readonly receipt: string }): void {
    const { stateBytes } = this.replica.plan;
    if (state.bytes !== stateBytes)
      throw new ProtocolError(`a snapshot has ${state.bytes} bytes of state, this student's has ${stateBytes}`);
    this.#held = null;
    this.#control.withState(() => {
      state.copyTo(this.replica.state());
      this.#control.step = step;
    });
    this.#stateHash = this.replica.hashState();
    this.#receipt = receipt;
  }

  /** Forgets the commit that is held: after a lost connection its bytes may be incomplete, and it comes again. */
  forgetHeld(): void {
    this.#held = null;
  }

  /**
   * Holds a commit, or begins to collect its chunks. One that this replica has applied already changes nothing.
   *
   * @throws ProtocolError when commits before it are missing, or its bytes are not those of its header
   */
  hold(message: Down<'commit'>, payload: Uint8Array): void {
    if (isApplied(message.step, this)) return;
    expectNext(message.step, this);
    const expected = contributionBytes(this.replica.plan, message.compression);
    if (message.bytes !== 0 && message.bytes !== expected) {
      throw new ProtocolError(`a commit has ${message.bytes} bytes, this student's has ${expected}`);
    }
    if (payload.byteLength !== 0 && payload.byteLength !== message.bytes)
      throw new ProtocolError('a commit is truncated');
    this.#held = { message, missing: null };
    if (message.bytes === 0) return;
    const target = this.replica.slotBytes(this.#slot, message.compression);
    if (payload.byteLength === 0) {
      this.#held.missing = this.#plane.receive(target, (piece) => this.replica.hashPiece(piece));
      return;
    }
    target.set(payload);
    this.#checkDigest(message, this.replica.hashPiece(target));
  }

  /**
   * Takes a piece of the held commit's bytes.
   *
   * @throws ProtocolError when the piece belongs to no held commit, or the bytes are not those of the digest
   */
  collect(message: Down<'commitChunk'>, payload: Uint8Array): void {
    if (isApplied(message.step, this)) return;
    const held = this.#held;
    if (held?.message.step !== message.step || held.missing === null)
      throw new ProtocolError(`a chunk of no commit (step ${message.step})`);
    if (!held.missing.accept(message, payload)) return;
    const { digest } = held.missing;
    held.missing = null;
    this.#checkDigest(held.message, digest);
  }

  /** The commit that is held, be it whole or not; null for none. */
  get held(): Down<'commit'> | null {
    return this.#held?.message ?? null;
  }

  /** Whether a commit is held with all of its bytes. */
  get isHeldWhole(): boolean {
    return this.#held?.missing === null;
  }

  #checkDigest(message: Down<'commit'>, digest: string): void {
    if (digest === message.digest) return;
    this.#held = null;
    throw new ProtocolError(`the commit of step ${message.step} has digest ${digest}, ${message.digest} was announced`);
  }

  /**
   * Applies the held commit. `repeated`: it was applied before, nothing changes. `differs`: applied, and the state is
   * not the coordinator's; this replica must not be used any more.
   *
   * @throws ProtocolError when the commit is not held, or not whole
   */
  release(message: Down<'release'>): 'applied' | 'repeated' | 'differs' {
    if (isApplied(message.step, this)) return 'repeated';
    const held = this.#held;
    if (held?.message.step !== message.step || held.missing !== null) {
      throw new ProtocolError(`a release of step ${message.step} came without its commit`);
    }
    const startMs = performance.now();
    this.#control.withState(() => this.#apply(held.message));
    this.#milliseconds += performance.now() - startMs;
    this.#held = null;
    this.#receipt = message.receipt;
    return this.#stateHash === message.stateHash ? 'applied' : 'differs';
  }

  #apply(commit: Down<'commit'>): void {
    if (isDue('flip')) this.replica.weights[0] = (this.replica.weights[0] ?? 0) + 1;
    const { step, stateHash } = applyCommit(this.replica, this, { commit, slot: this.#slot });
    this.#control.step = step;
    this.#stateHash = stateHash;
  }
}
