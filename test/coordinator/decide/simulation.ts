/**
 * A run in virtual time: the core, a shell whose slots hold sums as expressions, and workers that compute, die, hang, lie
 * and come back by plan. Workers behave as the real one: leases in the order of their coming, each once its weights are
 * there. It throws as soon as a command breaks a rule of slots, sums or order.
 */
import { Core } from '../../../coordinator/decide/decide.js';
import type { Command, Event, Unit } from '../../../coordinator/decide/types.js';
import { blockRange, childrenOf, isEmpty, rootOf, type Block } from '../../../shared/reduction/tree.js';
import { RandomStream } from './random-stream.js';

export interface WorkerPlan {
  /** Milliseconds of a micro-batch. */
  readonly costMs: number;
  readonly joinMs: number;
  /** What it does wrong, with what probability at each lease: nothing for a healthy worker. */
  readonly fault: 'none' | 'die' | 'mute' | 'hang' | 'fail' | 'poison' | 'wrongState' | 'stallUpload' | 'repeat' | 'lose';
  readonly chance: number;
}

export interface Plan {
  readonly seed: number;
  readonly units: readonly { readonly kind: 'train' | 'evaluate'; readonly microBatches: number }[];
  readonly workers: readonly WorkerPlan[];
  /** Slots beyond those that the prefix needs. */
  readonly earlySlots: number;
  readonly contributionBytes: number;
  readonly stopMs: number | null;
  /** Longest delay of a frame. */
  readonly latencyMs: number;
}

export interface Result {
  readonly outcome: Extract<Command, { type: 'finish' }> | null;
  readonly commits: readonly { readonly index: number; readonly skip: boolean }[];
  readonly fired: ReadonlySet<string>;
  readonly most: { readonly slots: number };
  readonly endedMs: number;
  readonly core: Core;
}

/** The sum of a block, as the tree takes it. */
export function canonical(block: Block, m: number): string {
  if (block.level === 0) return String(block.index);
  const [left, right] = childrenOf(block);
  return isEmpty(right, m) ? canonical(left, m) : `(${canonical(left, m)}+${canonical(right, m)})`;
}

type LeaseCommand = Extract<Command, { type: 'lease' }>;

interface Connection {
  readonly id: string;
  readonly process: number;
  readonly plan: WorkerPlan;
  queue: LeaseCommand[];
  isBusy: boolean;
  isOpen: boolean;
  isMute: boolean;
  isHanging: boolean;
  /** Micro-batches computed. */
  progress: number;
  steps: number;
  /** Frames on one connection keep their order. */
  lastArrivalMs: number;
}

/** Everything that the shell knows of a lease. */
interface Known {
  readonly command: LeaseCommand;
  readonly connection: Connection;
  state: 'active' | 'accepted' | 'over';
  slot: number | null;
}

const heartbeatMs = 1000;
const giveUpMs = 3_600_000;

export class Simulation {
  readonly #plan: Plan;
  readonly #random: RandomStream;
  readonly #core: Core;
  readonly #units: Unit[];
  readonly #slots = new Map<number, string | null>();
  readonly #limit: (unit: Unit) => number;
  readonly #connections = new Map<string, Connection>();
  readonly #leases = new Map<number, Known>();
  readonly #agenda: { atMs: number; order: number; run: () => void }[] = [];
  readonly #fired = new Set<string>();
  readonly #commits: { index: number; skip: boolean }[] = [];
  readonly #counted = { granted: 0, committed: 0, returned: 0 };
  #outcome: Result['outcome'] = null;
  #steps = 0;
  #connectionsMade = 0;
  #nowMs = 0;
  #order = 0;
  #mostSlots = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#random = new RandomStream(plan.seed);
    this.#units = unitsOf(plan);
    const widest = Math.max(...plan.units.map(({ kind, microBatches }) => (kind === 'train' ? rootOf(microBatches).level + 1 : 1)));
    const slots = widest + plan.earlySlots;
    this.#limit = (unit) => slots + (unit.kind === 'evaluate' ? rootOf(unit.microBatches).level + 1 : 0);
    this.#core = new Core({
      unitAt: (index) => this.#units[index], firstUnit: 0, stateHash: hashOf(0), slots, contributionBytes: plan.contributionBytes, silenceMs: 5000, firstLeaseMs: 20_000,
    });
  }

  run(): Result {
    this.#plan.workers.forEach((worker, process) => this.#in(worker.joinMs, () => this.#join(worker, process)));
    this.#in(0, () => this.#tick());
    if (this.#plan.stopMs !== null) this.#in(this.#plan.stopMs, () => this.#post({ type: 'stop', reason: 'asked to' }));
    for (;;) {
      const next = this.#agenda.pop();
      if (next === undefined || next.atMs > giveUpMs || this.#outcome !== null) break;
      this.#nowMs = next.atMs;
      next.run();
    }
    return { outcome: this.#outcome, commits: this.#commits, fired: this.#fired, most: { slots: this.#mostSlots }, endedMs: this.#nowMs, core: this.#core };
  }

  // Time

  #in(ms: number, run: () => void): void {
    const entry = { atMs: this.#nowMs + ms, order: this.#order++, run };
    // Last to run first in the list.
    let place = this.#agenda.length;
    while (place > 0 && (this.#agenda[place - 1]?.atMs ?? 0) <= entry.atMs) place--;
    this.#agenda.splice(place, 0, entry);
  }

  #tick(): void {
    this.#post({ type: 'tick' });
    this.#in(200, () => this.#tick());
  }

  /** A frame between a worker and the shell, in order with the others of its connection. */
  #deliver(connection: Connection, run: () => void): void {
    const atMs = Math.max(connection.lastArrivalMs, this.#nowMs + this.#random.below(this.#plan.latencyMs + 1));
    connection.lastArrivalMs = atMs;
    this.#in(atMs - this.#nowMs, () => {
      if (connection.isOpen) run();
    });
  }

  // Workers

  #join(plan: WorkerPlan, process: number): void {
    const connection: Connection = {
      id: `w${++this.#connectionsMade}`, process, plan, queue: [], isBusy: false, isOpen: true, isMute: false, isHanging: false, progress: 0, steps: this.#steps, lastArrivalMs: this.#nowMs,
    };
    this.#connections.set(connection.id, connection);
    this.#post({ type: 'join', worker: connection.id, process: `p${process}` });
    this.#deliver(connection, () => this.#post({ type: 'ready', worker: connection.id, step: connection.steps, stateHash: hashOf(connection.steps) }));
    this.#heartbeat(connection);
  }

  #heartbeat(connection: Connection): void {
    if (!connection.isOpen) return;
    if (!connection.isMute) this.#post({ type: 'heard', worker: connection.id, progress: connection.progress });
    this.#in(heartbeatMs, () => this.#heartbeat(connection));
  }

  /** Takes the first of its leases whose weights are there; one before it whose weights are not there blocks. */
  #work(connection: Connection): void {
    connection.queue = connection.queue.filter(({ unit }) => unit.step >= connection.steps);
    const [lease] = connection.queue;
    if (connection.isBusy || connection.isMute || connection.isHanging || lease === undefined || lease.unit.step > connection.steps) return;
    connection.queue.shift();
    connection.isBusy = true;
    const fault = this.#random.next() < connection.plan.chance ? connection.plan.fault : 'none';
    if (fault !== 'none') this.#fired.add(fault);
    // Forgotten, as if it had never come.
    if (fault === 'lose') {
      connection.isBusy = false;
      return this.#work(connection);
    }
    const { from, to } = blockRange(lease.block, lease.unit.microBatches);
    const ms = (to - from) * connection.plan.costMs * (0.5 + this.#random.next());
    for (let done = 1; done <= to - from && fault !== 'hang'; done++) this.#in((ms * done) / (to - from), () => connection.progress++);
    this.#in(fault === 'die' || fault === 'mute' || fault === 'hang' ? ms / 2 : ms, () => this.#computed(connection, lease, { fault, ms }));
  }

  #computed(connection: Connection, lease: LeaseCommand, { fault, ms }: { fault: WorkerPlan['fault']; ms: number }): void {
    connection.isBusy = false;
    if (!connection.isOpen) return;
    if (fault === 'die') return this.#close(connection, 'died', true);
    if (fault === 'mute') connection.isMute = true;
    if (fault === 'hang') connection.isHanging = true;
    if (connection.isMute || connection.isHanging) return;
    this.#deliver(connection, () => this.#answer(connection, lease, { fault, ms }));
    if (fault === 'repeat') this.#deliver(connection, () => this.#answer(connection, lease, { fault, ms }));
    this.#work(connection);
  }

  #answer(connection: Connection, lease: LeaseCommand, { fault, ms }: { fault: WorkerPlan['fault']; ms: number }): void {
    const { id, unit, block } = lease;
    if (fault === 'fail') {
      this.#post({ type: 'failed', worker: connection.id, lease: id, reason: 'made up' });
      return;
    }
    // Without gradient: evaluations, and the first micro-batch, to which no term applies.
    const bytes = unit.kind === 'evaluate' || (block.level === 0 && block.index === 0) ? 0 : this.#plan.contributionBytes;
    const stateHash = fault === 'wrongState' ? `${hashOf(unit.step)}-${connection.process}` : hashOf(unit.step);
    const known = this.#leases.get(id);
    if (known !== undefined && fault === 'poison') this.#poisoned.add(id);
    if (fault === 'stallUpload') this.#stalled.add(id);
    this.#post({ type: 'offer', worker: connection.id, lease: id, step: unit.step, stateHash, digest: `${unit.step}:${block.level}:${block.index}`, bytes, computeSeconds: ms / 1000 });
  }

  readonly #poisoned = new Set<number>();
  readonly #stalled = new Set<number>();

  /** The connection ends. `comesBack`: its process connects again. */
  #close(connection: Connection, reason: string, comesBack: boolean): void {
    if (!connection.isOpen) return;
    connection.isOpen = false;
    connection.queue = [];
    this.#connections.delete(connection.id);
    this.#in(this.#random.below(50), () => {
      this.#overFor(connection);
      this.#post({ type: 'leave', worker: connection.id, reason });
    });
    if (comesBack) this.#in(100 + this.#random.below(3000), () => this.#join(connection.plan, connection.process));
  }

  /** Leases of a connection that the core knows to be gone. */
  #overFor(connection: Connection): void {
    for (const known of this.#leases.values()) if (known.connection === connection && known.state === 'active') this.#end(known);
  }

  #end(known: Known): void {
    if (known.state !== 'active') return;
    known.state = 'over';
    this.#counted.returned++;
  }

  // The shell

  #post(event: DistributiveOmit<Event, 'nowMs'>): void {
    if (this.#outcome !== null) return;
    if (event.type === 'failed') this.#endFailed(event.lease);
    if (event.type === 'committed') this.#settleUnit(event.unit);
    for (const command of this.#core.handle({ ...event, nowMs: this.#nowMs })) this.#carryOut(command);
    this.#checkAccounts();
  }

  #endFailed(lease: number): void {
    const known = this.#leases.get(lease);
    if (known !== undefined) this.#end(known);
  }

  #carryOut(command: Command): void {
    switch (command.type) {
      case 'lease':
        return this.#lease(command);
      case 'cancel':
        return this.#cancel(command.id);
      case 'pull':
        return this.#pull(command);
      case 'accept':
        this.#reserve(command.slot);
        return this.#fill(command.id, command.slot);
      case 'merge':
        return this.#merge(command.into, command.from);
      case 'free':
        if (!this.#slots.delete(command.slot)) throw new Error(`slot ${command.slot} is freed and was not in use`);
        return;
      case 'commit':
        return this.#commit(command);
      case 'release':
        return this.#release(command.step);
      case 'resync':
      case 'dismiss': {
        const connection = this.#connections.get(command.worker);
        if (connection === undefined) throw new Error(`${command.type} of ${command.worker}, which is gone`);
        this.#fired.add(command.type);
        this.#overFor(connection);
        return this.#close(connection, command.reason, command.type === 'resync' || !command.reason.endsWith('times by now'));
      }
      case 'finish':
        this.#outcome = command;
        return;
      case 'say':
        if (command.text.includes('late')) this.#fired.add('late');
        return;
    }
  }

  #lease(command: LeaseCommand): void {
    const connection = this.#connections.get(command.worker);
    if (this.#leases.has(command.id)) throw new Error(`lease ${command.id} twice`);
    this.#counted.granted++;
    // A connection that closed without the core knowing yet: the lease goes nowhere.
    const target = connection ?? this.#gone(command.worker);
    this.#leases.set(command.id, { command, connection: target, state: 'active', slot: null });
    this.#deliver(target, () => {
      target.queue.push(command);
      this.#work(target);
    });
  }

  #gone(id: string): Connection {
    const [owner] = [...this.#leases.values()].filter(({ connection }) => connection.id === id);
    if (owner === undefined) throw new Error(`a lease for ${id}, which never was`);
    return owner.connection;
  }

  #cancel(id: number): void {
    const known = this.#leases.get(id);
    if (known?.state !== 'active') throw new Error(`cancel of lease ${id}, which is not active`);
    this.#end(known);
    const { connection } = known;
    this.#deliver(connection, () => {
      connection.queue = connection.queue.filter((lease) => lease.id !== id);
      this.#work(connection);
    });
  }

  #pull({ id, slot }: Extract<Command, { type: 'pull' }>): void {
    this.#reserve(slot);
    const known = this.#leases.get(id);
    if (known === undefined) throw new Error(`pull of lease ${id}, which never was`);
    if (this.#stalled.has(id)) return;
    this.#deliver(known.connection, () => {
      if (known.state !== 'active') return;
      if (this.#poisoned.has(id)) {
        this.#post({ type: 'failed', worker: known.connection.id, lease: id, reason: 'not finite' });
        return;
      }
      this.#fill(id, slot);
      this.#post({ type: 'received', worker: known.connection.id, lease: id });
    });
  }

  #reserve(slot: number): void {
    if (this.#slots.has(slot)) throw new Error(`slot ${slot} is in use`);
    this.#slots.set(slot, null);
    this.#mostSlots = Math.max(this.#mostSlots, this.#slots.size);
    const unit = this.#units[this.#commits.length];
    if (unit !== undefined && this.#slots.size > this.#limit(unit)) throw new Error(`${this.#slots.size} slots in use, ${this.#limit(unit)} allowed`);
  }

  #fill(id: number, slot: number): void {
    const known = this.#leases.get(id);
    if (known?.state !== 'active') throw new Error(`lease ${id} is taken and not active`);
    known.state = 'accepted';
    known.slot = slot;
    const { block, unit } = known.command;
    if (unit !== this.#units[this.#commits.length]) throw new Error(`lease ${id} is of another unit than the open one`);
    this.#slots.set(slot, canonical(block, unit.microBatches));
  }

  #merge(into: number, from: number): void {
    const [left, right] = [this.#slots.get(into), this.#slots.get(from)];
    if (left == null || right == null) throw new Error(`merge of slots ${into} and ${from}, one of which holds nothing`);
    this.#slots.set(into, `(${left}+${right})`);
    this.#slots.delete(from);
  }

  #commit({ index, unit, slot, skip }: Extract<Command, { type: 'commit' }>): void {
    if (index !== this.#commits.length || unit !== this.#units[index]) throw new Error(`unit ${index} is committed, ${this.#commits.length} is due`);
    if (skip !== (slot === null)) throw new Error('a skip and only a skip has no slot');
    const wanted = canonical(rootOf(unit.microBatches), unit.microBatches);
    if (slot !== null && this.#slots.get(slot) !== wanted) throw new Error(`unit ${index} is ${this.#slots.get(slot)}, not ${wanted}`);
    if (slot !== null) this.#slots.delete(slot);
    if (this.#slots.size > 0) throw new Error(`${this.#slots.size} slots are in use beside the root`);
    this.#commits.push({ index, skip });
    if (skip) this.#fired.add('skip');
    this.#in(this.#random.below(30), () => {
      this.#steps += unit.kind === 'train' ? 1 : 0;
      this.#post({ type: 'committed', unit: index, stateHash: hashOf(this.#steps), stopEarly: false });
    });
    if (skip) this.#settleUnit(index);
  }

  /** Accepted leases of the unit are in its commit, or were in vain. */
  #settleUnit(index: number): void {
    const isSkip = this.#commits[index]?.skip === true;
    for (const [id, known] of this.#leases) {
      if (known.command.unit !== this.#units[index]) continue;
      if (known.state === 'accepted') this.#counted[isSkip ? 'returned' : 'committed']++;
      if (known.state !== 'active') this.#leases.delete(id);
    }
  }

  #release(step: number): void {
    for (const connection of this.#connections.values()) {
      this.#deliver(connection, () => {
        connection.steps = Math.max(connection.steps, step + 1);
        this.#work(connection);
      });
    }
  }

  #checkAccounts(): void {
    const { granted, committed, returned, outstanding } = this.#core.accounts;
    if (granted !== committed + returned + outstanding) throw new Error(`the accounts do not close: ${JSON.stringify(this.#core.accounts)}`);
    if (granted !== this.#counted.granted) throw new Error(`${granted} leases in the account, ${this.#counted.granted} granted`);
    const isEven = committed === this.#counted.committed && returned === this.#counted.returned;
    if (this.#outcome === null && !isEven) throw new Error(`account ${committed} committed, ${returned} returned; seen ${this.#counted.committed}, ${this.#counted.returned}`);
    if (this.#outcome !== null && this.#slots.size > 0 && this.#outcome.outcome !== 'done') throw new Error('slots are in use after the end');
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

function hashOf(step: number): string {
  return `state ${step}`;
}

function unitsOf({ units }: Plan): Unit[] {
  let step = 0;
  return units.map(({ kind, microBatches }) => {
    const unit: Unit = { kind, ...(kind === 'evaluate' ? { subject: 'student' as const } : {}), step, epoch: 0, from: 0, to: microBatches, microBatches };
    if (kind === 'train') step++;
    return unit;
  });
}
