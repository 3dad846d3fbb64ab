/**
 * The coordinator's gradient buffers, by number. A buffer is free, in use, or retired: it holds a commit that channels
 * may still be sending from. Memory is bounded by the number of buffers: whoever needs one when none is free waits until
 * a channel lets go of a retired one.
 */

/** A commit's bytes in a buffer. They stay as they are while pinned; once unpinned, the pool may take the buffer back. */
export class RetiredBuffer {
  readonly buffer: number;
  readonly #onUnpinned: () => void;
  #pins = 0;
  #isGone = false;

  constructor(buffer: number, onUnpinned: () => void) {
    this.buffer = buffer;
    this.#onUnpinned = onUnpinned;
  }

  /** Whether the bytes were given up; they are in the log then. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Whether anyone still reads the bytes. */
  get isPinned(): boolean {
    return this.#pins > 0;
  }

  /** Keeps the bytes as they are until `unpin`. Pins are counted. */
  pin(): void {
    this.#pins++;
  }

  /** Takes one pin back. */
  unpin(): void {
    this.#pins--;
    if (this.#pins === 0) this.#onUnpinned();
  }

  /** Marks the bytes as given up: the buffer is about to hold something else. */
  giveUp(): void {
    this.#isGone = true;
  }
}

/** Lends the coordinator's gradient buffers. */
export class BufferPool {
  readonly #free: number[];
  #retired: RetiredBuffer[] = [];
  readonly #waiting: ((buffer: number) => void)[] = [];

  /** @param buffers how many there are; all of them are free */
  constructor(buffers: number) {
    this.#free = Array.from({ length: buffers }, (_, i) => buffers - 1 - i);
  }

  /** Whether someone waits for a buffer. */
  get isShort(): boolean {
    return this.#waiting.length > 0;
  }

  /** Calls `use` with a buffer of its own: at once, or as soon as there is one. */
  take(use: (buffer: number) => void): void {
    this.#waiting.push(use);
    this.#serve();
  }

  /** Takes a buffer back, for whoever waits for one. */
  give(buffer: number): void {
    this.#free.push(buffer);
    this.#serve();
  }

  /** The buffer holds a commit from now on; it comes back by itself. */
  retire(buffer: number): RetiredBuffer {
    const retired = new RetiredBuffer(buffer, () => this.#serve());
    this.#retired.push(retired);
    return retired;
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      const buffer = this.#free.pop() ?? this.#reclaim();
      if (buffer === undefined) return;
      this.#waiting.shift()?.(buffer);
    }
  }

  /** Takes back the buffer of the oldest commit that no channel sends from; undefined where there is none. */
  #reclaim(): number | undefined {
    const found = this.#retired.find((retired) => !retired.isPinned);
    if (found === undefined) return undefined;
    this.#retired = this.#retired.filter((retired) => retired !== found);
    found.giveUp();
    return found.buffer;
  }
}
