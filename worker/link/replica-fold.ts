/**
 * The worker's replica as a fold over the log: commits are held when they come and applied when they are released,
 * each once, in order. It runs on the link's thread; the trainer reads the same memory under the control's lock.
 */
import { ProtocolError } from '../../shared/errors.js';
import { isDue } from '../../shared/fault-points.js';
import { Assembler } from '../../shared/exchange/chunks.js';
import type { Down } from '../../shared/protocol/messages.js';
import { applyCommit, expectNext, isApplied } from '../../shared/replica/apply-commit.js';
import { contributionBytes } from '../../shared/replica/reduction/contribution.js';
import type { Replica } from '../../shared/replica/replica.js';
import type { LinkView } from '../threads/control.js';

interface HeldCommit {
  readonly message: Down<'commit'>;
  /** Bytes still to come; null once they are all here and their digest is right. */
  missing: Assembler | null;
}

export class ReplicaFold {
  readonly replica: Replica;
  readonly #control: LinkView;
  /** The slot that commits are held in, the replica's last; the link's alone. */
  readonly #slot: number;
  #held: HeldCommit | null = null;
  #stateHash = '';
  #milliseconds = 0;

  constructor(replica: Replica, control: LinkView, commitSlot: number) {
    this.replica = replica;
    this.#control = control;
    this.#slot = commitSlot;
  }

  get step(): number {
    return this.#control.step;
  }

  get stateHash(): string {
    return this.#stateHash;
  }

  /** What applying commits, the optimizer's update and the state's hash, has taken since this was asked last. */
  takeSeconds(): number {
    const seconds = this.#milliseconds / 1000;
    this.#milliseconds = 0;
    return seconds;
  }

  /** Starts from a snapshot's state. @throws ProtocolError when it is not this student's */
  load(state: Uint8Array, step: number): void {
    if (state.byteLength !== this.replica.plan.stateBytes) {
      throw new ProtocolError(
        `a snapshot has ${state.byteLength} bytes of state, this student's has ${this.replica.plan.stateBytes}`,
      );
    }
    this.#held = null;
    this.#control.withState(() => {
      this.replica.state().set(state);
      this.#control.step = step;
    });
    this.#stateHash = this.replica.hashState();
  }

  /** Forgets the commit that is held: after a lost connection its bytes may be incomplete, and it comes again. */
  forgetHeld(): void {
    this.#held = null;
  }

  /** Holds a commit, or begins to collect its chunks. One that this replica has applied already changes nothing. */
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
      this.#held.missing = new Assembler(target, (bytes) => this.replica.checksum(bytes));
      return;
    }
    target.set(payload);
    this.#checkDigest(message);
  }

  /** Takes a piece of the held commit's bytes. */
  collect(message: Down<'commitChunk'>, payload: Uint8Array): void {
    if (isApplied(message.step, this)) return;
    const held = this.#held;
    if (held?.message.step !== message.step || held.missing === null)
      throw new ProtocolError(`a chunk of no commit (step ${message.step})`);
    if (!held.missing.accept(message, payload)) return;
    held.missing = null;
    this.#checkDigest(held.message);
  }

  #checkDigest(message: Down<'commit'>): void {
    const digest = this.replica.hashSlot(this.#slot, message.compression);
    if (digest === message.digest) return;
    this.#held = null;
    throw new ProtocolError(`the commit of step ${message.step} has digest ${digest}, ${message.digest} was announced`);
  }

  /**
   * Applies the held commit. `repeated`: it was applied before, nothing changes. `differs`: applied, and the state is
   * not the coordinator's; this replica must not be used any more.
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
    return this.#stateHash === message.stateHash ? 'applied' : 'differs';
  }

  #apply(commit: Down<'commit'>): void {
    if (isDue('flip')) this.replica.weights[0] = (this.replica.weights[0] ?? 0) + 1;
    const { step, stateHash } = applyCommit(this.replica, this, { commit, slot: this.#slot });
    this.#control.step = step;
    this.#stateHash = stateHash;
  }
}
