/**
 * The coordinator's gradient buffers. A buffer is free, in use, or retired: it holds a commit that sockets may still be
 * sending from. Memory is bounded by their number: who needs one when none is free waits until a socket lets go.
 */

/** A commit's bytes in a buffer. They stay as they are while pinned; unpinned, the pool may take the buffer back. */
export class RetiredSlot {
  #pins = 0;
  #isGone = false;

  constructor(
    readonly slot: number,
    private readonly onUnpinned: () => void,
  ) {}

  /** Whether the bytes were given up; they are in the log then. */
  get isGone(): boolean {
    return this.#isGone;
  }

  get isPinned(): boolean {
    return this.#pins > 0;
  }

  pin(): void {
    this.#pins++;
  }

  unpin(): void {
    this.#pins--;
    if (this.#pins === 0) this.onUnpinned();
  }

  giveUp(): void {
    this.#isGone = true;
  }
}

export class SlotPool {
  readonly #free: number[];
  #retired: RetiredSlot[] = [];
  readonly #waiting: ((slot: number) => void)[] = [];

  constructor(slots: number) {
    this.#free = Array.from({ length: slots }, (_, i) => slots - 1 - i);
  }

  /** Whether someone waits for a buffer. */
  get isShort(): boolean {
    return this.#waiting.length > 0;
  }

  /** Calls `use` with a buffer of its own: at once, or as soon as there is one. */
  take(use: (slot: number) => void): void {
    this.#waiting.push(use);
    this.#serve();
  }

  give(slot: number): void {
    this.#free.push(slot);
    this.#serve();
  }

  /** The buffer holds a commit from now on; it comes back by itself. */
  retire(slot: number): RetiredSlot {
    const retired = new RetiredSlot(slot, () => this.#serve());
    this.#retired.push(retired);
    return retired;
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      const slot = this.#free.pop() ?? this.#reclaim();
      if (slot === undefined) return;
      this.#waiting.shift()?.(slot);
    }
  }

  /** The oldest commit's that no socket reads from. */
  #reclaim(): number | undefined {
    const found = this.#retired.find((retired) => !retired.isPinned);
    if (found === undefined) return undefined;
    this.#retired = this.#retired.filter((retired) => retired !== found);
    found.giveUp();
    return found.slot;
  }
}
