/**
 * Which shards of the data workers hold, by the leases that they were given: nothing is asked of them, and what they have
 * thrown away since counts as held. A preference is built on it, no more. Pure.
 */

/** The shards of one worker, a bit for each number. */
export class HeldShards {
  #words = new Uint32Array(0);

  has(shard: number): boolean {
    return ((this.#words[shard >>> 5] ?? 0) & (1 << (shard & 31))) !== 0;
  }

  add(shard: number): void {
    const word = shard >>> 5;
    if (word >= this.#words.length) {
      const wider = new Uint32Array(Math.max(word + 1, 2 * this.#words.length));
      wider.set(this.#words);
      this.#words = wider;
    }
    this.#words[word] = (this.#words[word] ?? 0) | (1 << (shard & 31));
  }

  /** Calls back with every shard that is held, in ascending order. */
  forEach(call: (shard: number) => void): void {
    for (let shard = 0; shard < 32 * this.#words.length; shard++) if (this.has(shard)) call(shard);
  }
}

/** How many workers hold each shard. */
export class ShardHolders {
  #holders = new Uint32Array(0);

  /** A worker reads these shards from now on. */
  note(held: HeldShards, shards: readonly number[]): void {
    for (const shard of shards) {
      if (held.has(shard)) continue;
      held.add(shard);
      this.#count(shard, 1);
    }
  }

  /** A worker that held these is gone. */
  forget(held: HeldShards): void {
    held.forEach((shard) => this.#count(shard, -1));
  }

  /**
   * How well these shards suit a worker, from -1/2 to 1: the share that it holds, less half of the share that the others
   * hold on average. So who holds much leaves to others what they hold, and who holds none of it begins where nobody is.
   *
   * @param others the number of workers beside it
   */
  liking(held: HeldShards, shards: readonly number[], others: number): number {
    let [own, elsewhere] = [0, 0];
    for (const shard of shards) {
      const isOwn = held.has(shard) ? 1 : 0;
      own += isOwn;
      elsewhere += (this.#holders[shard] ?? 0) - isOwn;
    }
    return shards.length === 0 ? 0 : (own - elsewhere / (2 * Math.max(1, others))) / shards.length;
  }

  #count(shard: number, by: number): void {
    if (shard >= this.#holders.length) {
      const wider = new Uint32Array(Math.max(shard + 1, 2 * this.#holders.length));
      wider.set(this.#holders);
      this.#holders = wider;
    }
    this.#holders[shard] = (this.#holders[shard] ?? 0) + by;
  }
}
