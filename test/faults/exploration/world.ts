/**
 * A small world in which everything that can happen next is a choice: two workers, a coordinator with the real core, a
 * disk, and one crash to spend. Nothing has a duration, so every interleaving of deliveries is a sequence of choices.
 * Workers, wires and disk are modelled; sums are expressions, so that their order can be seen.
 */
import { Core } from '../../../coordinator/decide/decide.js';
import type { Command, Event, Unit } from '../../../coordinator/decide/types.js';
import { rootOf } from '../../../shared/replica/reduction/tree.js';
import { fingerprintOf } from './fingerprint.js';
import type { Down, Failure, Lease, Worker, Writing, Written } from './model.js';
import { canonical, expressionOf, hashOf } from './sums.js';

type NewEvent = Event extends infer E ? (E extends Event ? Omit<E, 'nowMs'> : never) : never;

export interface WorldOptions {
  /** Micro-batches of each step. */
  readonly steps: readonly number[];
  readonly workers: number;
  readonly crashes: number;
  /** From this step on the first of the two teachers labels nothing, wherever it is tried; absent: it labels. */
  readonly brokenFrom?: number;
  /**
   * Every block is audited, the first worker lies, no worker dies, and a coordinator waits for all of them before its
   * first lease; absent: nothing of it.
   */
  readonly isAudited?: boolean;
}

export class World {
  readonly units: readonly Unit[];
  readonly #workers: Worker[];
  #core: Core | null = null;
  readonly #leases = new Map<number, Lease>();
  readonly #slots = new Map<number, string | null>();
  /** Units on the disk, in order; the last one may not be known to the core yet. */
  readonly #disk: Written[] = [];
  #writing: Writing | null = null;
  readonly #brokenFrom: number;
  readonly #isAudited: boolean;
  /** Blocks of the open step that failed, and the connections where they did: what the core remembers. */
  #failures: Failure[] = [];
  /** Teachers that this coordinator's run goes on without. */
  #dropped: readonly string[] = [];
  #released = 0;
  /** Workers of which this coordinator has accepted a contribution. */
  readonly #proven = new Set<number>();
  #crashes: number;
  #connections = 0;
  /** The connection of the worker that was found to lie. */
  #bannedId: string | null = null;
  /** Connections in the order in which they became ready, which the core's order follows. */
  #ready: string[] = [];
  #outcome: string | null = null;

  constructor({ steps, workers, crashes, brokenFrom = Infinity, isAudited = false }: WorldOptions) {
    [this.#crashes, this.#brokenFrom, this.#isAudited] = [crashes, brokenFrom, isAudited];
    this.units = steps.map((microBatches, step) => ({
      kind: 'train',
      step,
      epoch: 0,
      from: 0,
      to: microBatches,
      microBatches,
    }));
    this.#workers = Array.from({ length: workers }, () => ({
      id: null,
      isAlive: true,
      isBanned: false,
      steps: null,
      down: [],
      up: [],
      queue: [],
      computing: null,
    }));
    this.#start();
  }

  get outcome(): string | null {
    return this.#outcome;
  }

  /** Everything that may happen next. None after the run's end. */
  choices(): string[] {
    if (this.#outcome !== null) return [];
    const isUp = this.#core !== null;
    const found: string[] = isUp ? [] : ['coordinator starts'];
    this.#workers.forEach((worker, i) => {
      const { id, isAlive, isBanned, down, up, computing } = worker;
      if (isAlive && !isBanned && id === null && isUp) found.push(`${i} connects`);
      if (isAlive && down.length > 0) found.push(`${i} hears`);
      if (isUp && up.length > 0) found.push(`${i} is heard`);
      if (isAlive && computing !== null) found.push(`${i} has computed`);
      if (!isAlive) found.push(id !== null && isUp ? `${i} is missed` : `${i} starts`);
      if (isAlive && this.#crashes > 0 && !this.#isAudited) found.push(`${i} dies`);
    });
    if (isUp && this.#writing !== null) found.push('written');
    if (this.#core !== null && this.#writing === null && this.#disk.length > this.#core.view().index)
      found.push('committed');
    if (isUp && this.#crashes > 0) found.push('coordinator dies');
    return found;
  }

  /** @throws Error when a rule is broken */
  take(choice: string): void {
    if (choice === 'coordinator starts') return this.#start();
    if (choice === 'coordinator dies') return this.#crash();
    if (choice === 'written') return this.#written();
    if (choice === 'committed')
      return this.#post({
        type: 'committed',
        unit: this.#disk.length - 1,
        stateHash: hashOf(this.#disk.length),
        isSkipped: false,
        stopEarly: false,
      });
    const worker = this.#workers[Number(choice[0])];
    if (worker === undefined) throw new Error(`no worker for ${choice}`);
    switch (choice.slice(2)) {
      case 'connects':
        return this.#connect(worker);
      case 'hears':
        return this.#hears(worker);
      case 'is heard':
        return this.#isHeard(worker);
      case 'has computed':
        return this.#hasComputed(worker);
      case 'dies':
        this.#crashes--;
        Object.assign(worker, { isAlive: false, steps: null, queue: [], computing: null });
        worker.down.length = 0;
        return;
      case 'is missed': {
        const { id } = worker;
        worker.id = null;
        worker.up.length = 0;
        this.#endLeasesOf(id);
        return this.#post({ type: 'leave', worker: id ?? '', reason: 'connection lost' });
      }
      case 'starts':
        worker.isAlive = true;
        return;
      default:
        throw new Error(choice);
    }
  }

  /** All that can be told apart from outside: two histories with the same one are the same state. */
  fingerprint(): string {
    return fingerprintOf({
      outcome: this.#outcome,
      crashes: this.#crashes,
      released: this.#released,
      disk: this.#disk,
      writing: this.#writing,
      dropped: this.#dropped,
      failures: this.#failures,
      slots: this.#slots,
      proven: this.#proven,
      leases: this.#leases,
      workers: this.#workers,
      ready: this.#ready,
      core: this.#core?.view() ?? null,
    });
  }

  // Coordinator

  #start(): void {
    const [first] = this.units;
    if (first === undefined) throw new Error('no units');
    this.#released = this.#disk.length;
    const slots = Math.max(...this.units.map(({ microBatches }) => rootOf(microBatches).level + 1)) + 1;
    this.#dropped = this.#disk.at(-1)?.dropped ?? [];
    this.#core = new Core({
      policy: { onFailure: 'drop', teachers: ['a', 'b'], dropped: this.#dropped },
      unitAt: (index) => this.units[index],
      firstUnit: this.#disk.length,
      stateHash: hashOf(this.#disk.length),
      skips: 0,
      slots,
      contributionBytes: 1,
      silenceMs: 1e9,
      firstLeaseMs: 1e9,
      audits: this.#isAudited ? { isChosen: () => true } : undefined,
    });
    // A run whose last commit was on the disk already is done.
    this.#post({ type: 'tick' });
  }

  #crash(): void {
    this.#crashes--;
    this.#core = null;
    this.#writing = null;
    this.#leases.clear();
    this.#failures = [];
    this.#proven.clear();
    this.#ready = [];
    this.#slots.clear();
    for (const worker of this.#workers) {
      Object.assign(worker, { id: null, queue: [], computing: null });
      worker.down.length = 0;
      worker.up.length = 0;
    }
  }

  #written(): void {
    if (this.#writing === null) throw new Error('nothing is being written');
    const { index, slot, dropped } = this.#writing;
    const sum = this.#slots.get(slot);
    if (sum !== canonical(this.units[index], dropped)) throw new Error(`unit ${index} is ${sum}`);
    if (this.#disk.length !== index) throw new Error(`unit ${index} is written, ${this.#disk.length} is due`);
    this.#slots.delete(slot);
    this.#disk.push({ unit: index, sum, dropped });
    this.#writing = null;
  }

  #post(event: NewEvent): void {
    const core = this.#core;
    if (core === null || this.#outcome !== null) return;
    for (const command of core.handle({ ...event, nowMs: 0 })) this.#carryOut(command);
    const { granted, committed, returned, outstanding } = core.accounts;
    if (granted !== committed + returned + outstanding) throw new Error('the accounts do not close');
  }

  #carryOut(command: Command): void {
    switch (command.type) {
      case 'lease':
        this.#leases.set(command.id, {
          worker: command.worker,
          unit: command.unit,
          block: command.block,
          dropped: command.dropped,
          state: 'active',
          slot: null,
        });
        return this.#send(command.worker, { type: 'lease', lease: command.id });
      case 'cancel':
        this.#leaseOf(command.id).state = 'over';
        return this.#send(command.worker, { type: 'cancel', lease: command.id });
      case 'pull':
        if (this.#slots.has(command.slot)) throw new Error(`slot ${command.slot} is in use`);
        this.#slots.set(command.slot, null);
        this.#leaseOf(command.id).slot = command.slot;
        return this.#send(command.worker, { type: 'pull', lease: command.id });
      case 'merge': {
        const [left, right] = [this.#slots.get(command.into), this.#slots.get(command.from)];
        if (typeof left !== 'string' || typeof right !== 'string') throw new Error(`a merge of ${left} and ${right}`);
        this.#slots.set(command.into, `(${left}+${right})`);
        this.#slots.delete(command.from);
        return;
      }
      case 'free':
        if (!this.#slots.delete(command.slot)) throw new Error(`slot ${command.slot} was not in use`);
        return;
      case 'commit':
        if (command.slot === null || command.skip) throw new Error('a skip');
        if (this.#slots.size !== 1) throw new Error(`${this.#slots.size} slots at a commit`);
        this.#writing = { index: command.index, slot: command.slot, dropped: command.dropped };
        return;
      case 'drop':
        if (this.#dropped.includes(command.teacher) || this.#slots.size > 0)
          throw new Error(`${command.teacher} is dropped twice, or while sums are kept`);
        this.#dropped = [...this.#dropped, command.teacher];
        this.#failures = [];
        return;
      case 'release':
        if (this.#disk.length <= command.step) throw new Error(`step ${command.step} is released and not on the disk`);
        this.#released = command.step + 1;
        for (const { id } of this.#workers) if (id !== null) this.#send(id, { type: 'release', step: command.step });
        return;
      case 'finish':
        this.#outcome = command.outcome;
        if (command.outcome === 'done' && this.#disk.length !== this.units.length)
          throw new Error('done before the last unit is on the disk');
        if (
          command.outcome === 'done' &&
          this.#disk.some(({ unit, dropped }) => dropped.join() !== (unit < this.#brokenFrom ? '' : 'a'))
        )
          throw new Error('done with a teacher that fails, or without one that does not');
        return;
      case 'say':
        return;
      case 'audit':
        if (command.outcome !== 'lie' || command.workers.some(({ worker }) => !this.#isOfLiar(worker)))
          throw new Error(`${command.outcome}: ${command.text}`);
        return;
      case 'dismiss':
        return this.#ban(command.worker);
      default:
        throw new Error(`${command.type}, which nothing here deserves`);
    }
  }

  #ban(id: string): void {
    const worker = this.#workers.find((candidate) => candidate.id === id);
    if (worker === undefined || !this.#isOfLiar(id)) throw new Error(`${id} is turned away`);
    this.#bannedId = id;
    this.#endLeasesOf(id);
    Object.assign(worker, { id: null, isBanned: true, queue: [], computing: null, down: [], up: [] });
    this.#ready = this.#ready.filter((one) => one !== id);
  }

  #leaseOf(id: number): Lease {
    const lease = this.#leases.get(id);
    if (lease?.state !== 'active') throw new Error(`lease ${id} is not active`);
    return lease;
  }

  #endLeasesOf(worker: string | null): void {
    for (const lease of this.#leases.values())
      if (lease.worker === worker && lease.state === 'active') lease.state = 'over';
  }

  #send(id: string, message: Down): void {
    const worker = this.#workers.find((candidate) => candidate.id === id);
    if (worker?.isAlive === true) worker.down.push(message);
  }

  // Workers

  #hasComputed(worker: Worker): void {
    const lease = worker.computing;
    if (lease === null) throw new Error('a worker that computes nothing has computed');
    worker.up.push({ type: this.#isBroken(lease) ? 'failed' : 'offer', lease });
    worker.computing = null;
    this.#work(worker);
  }

  #connect(worker: Worker): void {
    worker.id = `w${++this.#connections}`;
    if (worker.steps !== null && worker.steps > this.#released)
      throw new Error('a worker has applied what was not journalled');
    // What it misses it gets before anything else: snapshot and commits.
    worker.steps = this.#released;
    const origin = `host ${this.#workers.indexOf(worker)}`;
    this.#post({ type: 'join', worker: worker.id, origin });
    worker.up.push({ type: 'ready' });
  }

  #hears(worker: Worker): void {
    const message = worker.down.shift();
    if (message === undefined) throw new Error('nothing to hear');
    if (message.type === 'lease') worker.queue.push(message.lease);
    if (message.type === 'release') {
      if (worker.steps !== null && message.step > worker.steps)
        throw new Error(`a release of step ${message.step} at ${worker.steps}`);
      worker.steps = Math.max(worker.steps ?? 0, message.step + 1);
    }
    if (message.type === 'cancel') {
      worker.queue = worker.queue.filter((id) => id !== message.lease);
      if (worker.computing === message.lease) worker.computing = null;
    }
    if (message.type === 'pull') worker.up.push({ type: 'bytes', lease: message.lease });
    this.#work(worker);
  }

  #work(worker: Worker): void {
    const [next] = worker.queue;
    const unit = next === undefined ? undefined : this.#leases.get(next)?.unit;
    if (worker.computing !== null || next === undefined || unit === undefined || unit.step > (worker.steps ?? -1))
      return;
    worker.queue.shift();
    if (unit.step === worker.steps) worker.computing = next;
    else this.#work(worker);
  }

  #isBroken(id: number): boolean {
    const lease = this.#leases.get(id);
    return lease !== undefined && lease.unit.step >= this.#brokenFrom && !lease.dropped.includes('a');
  }

  /** It may be found out in several blocks, in the last of them after it was turned away. */
  #isOfLiar(id: string): boolean {
    return id === this.#workers[0]?.id || id === this.#bannedId;
  }

  #isLiar(worker: Worker): boolean {
    return this.#isAudited && worker === this.#workers[0];
  }

  #isReady({ id, steps }: Worker): void {
    this.#post({ type: 'ready', worker: id ?? '', step: steps ?? 0, stateHash: hashOf(steps ?? 0) });
  }

  #isHeard(worker: Worker): void {
    const message = worker.up.shift();
    const { id } = worker;
    if (message === undefined || id === null) throw new Error('nothing to be heard');
    if (message.type === 'ready') {
      this.#ready.push(id);
      const waiting = this.#workers.filter((one) => !one.isBanned && !this.#ready.includes(one.id ?? '')).length;
      if (!this.#isAudited) this.#isReady(worker);
      else if (waiting === 0)
        for (const one of this.#ready) this.#isReady(this.#workers.find((other) => other.id === one) ?? worker);
      return;
    }
    const lease = this.#leases.get(message.lease);
    if (lease === undefined) return;
    const { unit, block } = lease;
    if (message.type === 'offer') {
      if (lease.state !== 'active') return;
      const digest = `${unit.step}:${block.level}.${block.index}${this.#isLiar(worker) ? ' lie' : ''}`;
      return this.#post({
        type: 'offer',
        worker: id,
        lease: message.lease,
        step: unit.step,
        stateHash: hashOf(unit.step),
        digest,
        bytes: 1,
        computeSeconds: 0.001 * 2 ** block.level,
      });
    }
    if (message.type === 'failed') {
      if (lease.state !== 'active') return;
      lease.state = 'over';
      this.#failures.push({ block: `${unit.step}:${block.level}.${block.index}`, worker: id });
      return this.#post({ type: 'failed', worker: id, lease: message.lease, reason: 'made up', teacher: 'a' });
    }
    if (lease.state !== 'active' || lease.slot === null) return;
    lease.state = 'accepted';
    this.#proven.add(this.#workers.indexOf(worker));
    this.#slots.set(lease.slot, this.#isLiar(worker) ? 'a lie' : expressionOf(block, unit, lease.dropped));
    this.#post({ type: 'received', worker: id, lease: message.lease });
  }
}
