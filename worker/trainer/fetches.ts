/** Artifacts that the trainer waits for. Each is asked for once, however many wait for it. */

interface Waiter {
  readonly resolve: (path: string) => void;
  readonly reject: (error: Error) => void;
}

export class Fetches {
  readonly #ask: (sha256: string) => void;
  readonly #waiters = new Map<string, Waiter[]>();

  /** @param ask asks for an artifact; the answer is `arrived` or `failed` */
  constructor(ask: (sha256: string) => void) {
    this.#ask = ask;
  }

  /** The path of the artifact's file, once it lies on the disk. @throws the error of `failed` */
  fetch(sha256: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(sha256);
      if (waiters !== undefined) return void waiters.push({ resolve, reject });
      this.#waiters.set(sha256, [{ resolve, reject }]);
      this.#ask(sha256);
    });
  }

  arrived(sha256: string, path: string): void {
    for (const { resolve } of this.#take(sha256)) resolve(path);
  }

  failed(sha256: string, error: Error): void {
    for (const { reject } of this.#take(sha256)) reject(error);
  }

  /** Nothing will come any more. */
  failAll(error: Error): void {
    for (const sha256 of [...this.#waiters.keys()]) this.failed(sha256, error);
  }

  /** Whoever waits for an artifact; nobody when the answer was for another run. */
  #take(sha256: string): readonly Waiter[] {
    const waiters = this.#waiters.get(sha256) ?? [];
    this.#waiters.delete(sha256);
    return waiters;
  }
}
