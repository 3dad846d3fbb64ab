/**
 * The real core, watched: what it hears and says is counted a second time, and anything that breaks a rule of leases,
 * slots or accounts throws at once.
 */
import { Core } from '../../../coordinator/decide/decide.js';
import type { Command, DecideConfig, Event, Unit, WorkerId } from '../../../coordinator/decide/types.js';
import { closeCodes } from '../../../shared/protocol/messages.js';

type CommandOf<T extends Command['type']> = Extract<Command, { type: T }>;

interface SeenLease {
  readonly unit: Unit;
  readonly worker: WorkerId;
  readonly dropped: readonly string[];
  state: 'active' | 'accepted' | 'over';
}

export interface CheckedCoreOptions {
  readonly config: DecideConfig;
  readonly units: readonly Unit[];
  /** Told of everything of note that happens. */
  readonly fired: (what: string) => void;
}

export class CheckedCore {
  /** When the core said that the run has come to its end; null before. */
  finishedMs: number | null = null;
  readonly #core: Core;
  readonly #units: readonly Unit[];
  readonly #fired: (what: string) => void;
  readonly #workers = new Set<WorkerId>();
  readonly #slotsInUse = new Set<number>();
  readonly #leases = new Map<number, SeenLease>();
  readonly #counted = { granted: 0, committed: 0, returned: 0 };
  /** Teachers that the run goes on without. */
  #dropped: readonly string[];
  /** Index of the unit that is open. */
  #unit: number;

  constructor({ config, units, fired }: CheckedCoreOptions) {
    this.#core = new Core(config);
    [this.#units, this.#fired, this.#unit] = [units, fired, config.firstUnit];
    this.#dropped = config.policy?.dropped ?? [];
  }

  get accounts(): Core['accounts'] {
    return this.#core.accounts;
  }

  get standing(): Core['standing'] {
    return this.#core.standing;
  }

  handle(event: Event): Command[] {
    this.#hear(event);
    const commands = this.#core.handle(event);
    for (const command of commands) this.#check(command, event.nowMs);
    // Signs of life and the passing of time change no account by themselves.
    if (commands.length > 0 || (event.type !== 'heard' && event.type !== 'tick')) this.#checkAccounts();
    return commands;
  }

  // Events

  #hear(event: Event): void {
    if (event.type === 'join') this.#workers.add(event.worker);
    if (event.type === 'leave') this.#endLeasesOf(event.worker);
    if (event.type === 'committed') {
      this.#unit = event.unit + 1;
      this.#settleUnit(this.#units[event.unit], 'committed');
    }
    if (event.type === 'failed') {
      if (event.reason.includes('not finite')) this.#fired('refusedPoison');
      if (event.reason.includes('digest')) this.#fired('refusedBytes');
    }
    const lease = event.type === 'failed' || event.type === 'received' ? this.#leases.get(event.lease) : undefined;
    if (event.type === 'failed' && lease?.state === 'active') this.#end(lease);
    if (event.type === 'received' && lease?.state === 'active') this.#take(event.lease);
  }

  // Commands

  #check(command: Command, nowMs: number): void {
    switch (command.type) {
      case 'lease':
        return this.#lease(command);
      case 'cancel':
        return this.#cancel(command);
      case 'pull':
        return this.#reserve(command.slot);
      case 'accept':
        this.#reserve(command.slot);
        return this.#take(command.id);
      case 'setAside':
        return this.#setAside(command.id);
      case 'merge':
        return void this.#slotsInUse.delete(command.from);
      case 'free':
        if (!this.#slotsInUse.delete(command.slot)) throw new Error(`slot ${command.slot} is freed and was not in use`);
        return;
      case 'commit':
        return this.#commit(command);
      case 'drop':
        return this.#drop(command);
      case 'release':
        return;
      case 'resync':
        return this.#part(command.worker, 'resync');
      case 'dismiss':
        return this.#part(command.worker, command.code === closeCodes.refused ? 'turnedAway' : 'dismiss');
      case 'finish':
        this.finishedMs = nowMs;
        if (this.#slotsInUse.size > 0 && command.outcome !== 'done') throw new Error('slots are in use after the end');
        return;
      case 'audit':
        return this.#fired(command.outcome);
      case 'say':
        if (command.text.includes(' is begun anew: ')) {
          this.#fired('anew');
          this.#settleUnit(this.#units[this.#unit], 'returned');
        }
        if (command.text.includes(' is late with')) this.#fired('late');
        return;
      default: {
        const unknown: never = command;
        throw new Error(`command ${JSON.stringify(unknown)}`);
      }
    }
  }

  #lease({ id, worker, unit, dropped }: CommandOf<'lease'>): void {
    if (this.#leases.has(id)) throw new Error(`lease ${id} twice`);
    this.#expectHere(worker, 'a lease');
    this.#counted.granted++;
    this.#leases.set(id, { unit, worker, dropped, state: 'active' });
  }

  #cancel({ id, worker }: CommandOf<'cancel'>): void {
    const lease = this.#leases.get(id);
    if (lease?.state !== 'active') throw new Error(`cancel of lease ${id}, which is not active`);
    this.#expectHere(worker, 'a cancel');
    this.#end(lease);
  }

  /** The connection ends by the coordinator's wish. */
  #part(worker: WorkerId, what: string): void {
    this.#expectHere(worker, what);
    this.#fired(what);
    this.#endLeasesOf(worker);
  }

  #expectHere(worker: WorkerId, what: string): void {
    if (!this.#workers.has(worker)) throw new Error(`${what} of ${worker}, which is gone`);
  }

  #reserve(slot: number): void {
    if (this.#slotsInUse.has(slot)) throw new Error(`slot ${slot} is in use`);
    this.#slotsInUse.add(slot);
  }

  #take(id: number): void {
    const lease = this.#leases.get(id);
    if (lease?.state !== 'active') throw new Error(`lease ${id} is taken and not active`);
    if (lease.unit !== this.#units[this.#unit]) throw new Error(`lease ${id} is of another unit than the open one`);
    if (lease.dropped.join() !== this.#dropped.join())
      throw new Error(`lease ${id} is without [${lease.dropped.join()}], the run without [${this.#dropped.join()}]`);
    lease.state = 'accepted';
  }

  /** It waits for another's answer: nothing of it is taken. */
  #setAside(id: number): void {
    const lease = this.#leases.get(id);
    if (lease?.state !== 'accepted') throw new Error(`lease ${id} is set aside and was not taken`);
    lease.state = 'active';
    this.#fired('setAside');
  }

  #commit({ index, unit, dropped, skip, slot }: CommandOf<'commit'>): void {
    if (index !== this.#unit || unit !== this.#units[this.#unit])
      throw new Error(`unit ${index} is committed, ${this.#unit} is due`);
    if (dropped.join() !== this.#dropped.join())
      throw new Error(
        `unit ${index} is committed without [${dropped.join()}], the run is without [${this.#dropped.join()}]`,
      );
    if (skip !== (slot === null)) throw new Error('a skip and only a skip has no slot');
    if (slot !== null) this.#slotsInUse.delete(slot);
    if (this.#slotsInUse.size > 0) throw new Error(`${this.#slotsInUse.size} slots are in use beside the root`);
    if (!skip) return;
    this.#fired('skip');
    this.#settleUnit(unit, 'returned');
  }

  #drop({ teacher, unit }: CommandOf<'drop'>): void {
    if (this.#dropped.includes(teacher)) throw new Error(`teacher ${teacher} is dropped twice`);
    if (unit !== this.#units[this.#unit] || this.#slotsInUse.size > 0)
      throw new Error(`teacher ${teacher} is dropped while work of its unit is kept`);
    this.#dropped = [...this.#dropped, teacher].sort();
    this.#fired('drop');
    this.#settleUnit(unit, 'returned');
  }

  // Accounts, counted a second time

  #endLeasesOf(worker: WorkerId): void {
    this.#workers.delete(worker);
    for (const lease of this.#leases.values())
      if (lease.worker === worker && lease.state === 'active') this.#end(lease);
  }

  #end(lease: SeenLease): void {
    lease.state = 'over';
    this.#counted.returned++;
  }

  #settleUnit(unit: Unit | undefined, as: 'committed' | 'returned'): void {
    for (const [id, lease] of this.#leases) {
      if (lease.unit !== unit || lease.state === 'active') continue;
      if (lease.state === 'accepted') this.#counted[as]++;
      this.#leases.delete(id);
    }
  }

  #checkAccounts(): void {
    const { accounts } = this.#core;
    const { granted, committed, returned, outstanding } = accounts;
    if (granted !== committed + returned + outstanding)
      throw new Error(`the accounts do not close: ${JSON.stringify(accounts)}`);
    if (granted !== this.#counted.granted)
      throw new Error(`${granted} leases in the account, ${this.#counted.granted} granted`);
    if (this.finishedMs !== null || (committed === this.#counted.committed && returned === this.#counted.returned))
      return;
    throw new Error(
      `account ${committed} committed, ${returned} returned; seen ${this.#counted.committed}, ${this.#counted.returned}`,
    );
  }
}
