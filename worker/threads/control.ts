/**
 * The control words: the few integers that the link (worker thread) and the trainer (main thread) of one worker see at
 * the same time. They pass no data: they say who may touch the replica's shared memory, where it stands, and whether
 * the other side is alive. Each word has one writer, and every access is atomic.
 *
 *   word       value                                             written by                      read by
 *   progress   signs of life of the trainer, counted modulo 2^32  trainer                         link
 *   lock       0: the replica's state is free, 1: it is held      whoever takes or frees it       both
 *   step       position of the replica's state                    link, while it holds the lock   both
 *   tensors    live tensors of the trainer's backend              trainer                         link
 *   busy       1: the trainer is computing, so progress must move trainer                         link
 *   traced     1: the run is traced, so spans are wanted          link                            trainer
 *
 * The lock is the ownership of the replica's weights, optimizer state and moving values: a thread takes it with
 * compareExchange(0, 1), waits with Atomics.wait while the other has it, and frees it with a store and a notify. The
 * link holds it while it applies a commit, the trainer while it copies the weights. Gradient slots are not under the
 * lock: a message passes them from one thread to the other (messages.ts).
 */

const words = { progress: 0, lock: 1, step: 2, tensors: 3, busy: 4, traced: 5 } as const;
/** Room for words to come, so that the buffer keeps its size. */
const wordCount = 8;

/** What both sides may do with the control words. */
interface SharedView {
  /** Runs `body` while no other thread reads or changes the replica's state: one copy or one update long. */
  withState<T>(body: () => T): T;
}

/** What the link may do with the control words. */
export interface LinkView extends SharedView {
  /** Signs of life of the trainer so far, modulo 2^31, so that it is a count on the wire. */
  readonly progress: number;
  /** Live tensors of the trainer's backend. */
  readonly tensors: number;
  /** Whether the trainer is computing. Then its progress must move. */
  readonly isBusy: boolean;
  /** Position of the replica's state, in steps. It is written inside `withState` only. */
  step: number;
  /** Whether the run is traced, so that the trainer's spans are wanted. */
  isTraced: boolean;
}

/** What the trainer may do with the control words. */
export interface TrainerView extends SharedView {
  /** Gives a sign of life. */
  tick(): void;
  /** Live tensors of the backend, for the heartbeats. */
  tensors: number;
  /** Whether the trainer is computing. */
  isBusy: boolean;
  /** Position of the replica's state, in steps. The link moves it at any moment outside `withState`. */
  readonly step: number;
  /** Whether the run is traced, so that spans are wanted. */
  readonly isTraced: boolean;
}

export class Control implements LinkView, TrainerView {
  readonly #words: Int32Array;

  /** @param buffer the words of the other thread's Control; new ones, all 0, where none are given */
  constructor(readonly buffer: SharedArrayBuffer = new SharedArrayBuffer(4 * wordCount)) {
    this.#words = new Int32Array(buffer);
  }

  tick(): void {
    Atomics.add(this.#words, words.progress, 1);
  }

  get progress(): number {
    return Atomics.load(this.#words, words.progress) & 0x7fffffff;
  }

  set tensors(count: number) {
    Atomics.store(this.#words, words.tensors, count);
  }
  get tensors(): number {
    return Atomics.load(this.#words, words.tensors);
  }

  set isBusy(busy: boolean) {
    Atomics.store(this.#words, words.busy, busy ? 1 : 0);
  }
  get isBusy(): boolean {
    return Atomics.load(this.#words, words.busy) === 1;
  }

  set isTraced(traced: boolean) {
    Atomics.store(this.#words, words.traced, traced ? 1 : 0);
  }
  get isTraced(): boolean {
    return Atomics.load(this.#words, words.traced) === 1;
  }

  set step(step: number) {
    Atomics.store(this.#words, words.step, step);
  }
  get step(): number {
    return Atomics.load(this.#words, words.step);
  }

  withState<T>(body: () => T): T {
    while (Atomics.compareExchange(this.#words, words.lock, 0, 1) !== 0) Atomics.wait(this.#words, words.lock, 1);
    try {
      return body();
    } finally {
      Atomics.store(this.#words, words.lock, 0);
      Atomics.notify(this.#words, words.lock, 1);
    }
  }
}
