/**
 * What the coordinator's core costs: 1,000 simulated workers on steps of 4,096 micro-batches, milliseconds an event.
 */
import { pathToFileURL } from 'node:url';
import { Core } from '../coordinator/decide/decide.js';
import type { Command, Event, Unit } from '../coordinator/decide/types.js';
import { blockRange } from '../shared/replica/reduction/tree.js';

export interface DecideTiming {
  readonly workers: number;
  readonly microBatches: number;
  readonly events: number;
  readonly commands: number;
  readonly meanMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

type Lease = Extract<Command, { type: 'lease' }>;

/**
 * Every worker answers its leases in turn, one in a hundred leaves and another joins; heartbeats and ticks come as they
 * do.
 */
export function benchDecide({ workers = 1000, microBatches = 4096, steps = 8 } = {}): DecideTiming {
  const rig = new Rig(workers, microBatches, steps);
  rig.run();
  const times = rig.times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0;
  const meanMs = times.reduce((sum, ms) => sum + ms, 0) / times.length;
  return { workers, microBatches, events: times.length, commands: rig.commands, meanMs, p99Ms: at(0.99), maxMs: at(1) };
}

class Rig {
  readonly times: number[] = [];
  commands = 0;
  readonly #core: Core;
  readonly #workers: number;
  #todo: (() => void)[] = [];
  #joined = 0;
  #steps = 0;
  #nowMs = 0;
  #isOver = false;

  constructor(workers: number, microBatches: number, steps: number) {
    this.#workers = workers;
    const unitAt = (index: number): Unit | undefined =>
      index < steps ? { kind: 'train', step: index, epoch: 0, from: 0, to: microBatches, microBatches } : undefined;
    this.#core = new Core({
      unitAt,
      firstUnit: 0,
      stateHash: 's0',
      skips: 0,
      slots: 13 + 16,
      contributionBytes: 1000,
      silenceMs: 1e12,
      firstLeaseMs: 1e12,
    });
  }

  run(): void {
    for (let i = 0; i < this.#workers; i++) this.#join();
    while (!this.#isOver) {
      const todo = this.#todo;
      this.#todo = [];
      todo.forEach((act, i) => {
        act();
        if (i % 7 === 0) this.#post({ type: 'heard', worker: `w${this.#joined}`, progress: i });
        if (i % 101 === 100) this.#replace();
      });
      this.#post({ type: 'tick' });
    }
  }

  #join(): void {
    const worker = `w${++this.#joined}`;
    this.#post({ type: 'join', worker });
    this.#post({ type: 'ready', worker, step: this.#steps, stateHash: `s${this.#steps}` });
  }

  #replace(): void {
    this.#post({ type: 'leave', worker: `w${this.#joined}`, reason: 'bench' });
    this.#join();
  }

  #post(event: { readonly type: Event['type'] } & Record<string, unknown>): void {
    const timed = { ...event, nowMs: this.#nowMs++ } as unknown as Event;
    const startMs = performance.now();
    const commands = this.#core.handle(timed);
    this.times.push(performance.now() - startMs);
    this.commands += commands.length;
    for (const command of commands) this.#carryOut(command);
  }

  #carryOut(command: Command): void {
    if (command.type === 'lease') this.#todo.push(() => this.#answer(command));
    if (command.type === 'pull')
      this.#todo.push(() => this.#post({ type: 'received', worker: command.worker, lease: command.id }));
    if (command.type === 'commit')
      this.#todo.push(() =>
        this.#post({ type: 'committed', unit: command.index, stateHash: `s${++this.#steps}`, stopEarly: false }),
      );
    if (command.type === 'finish') this.#isOver = true;
  }

  /** A tentative lease is answered once its step is open. */
  #answer(lease: Lease): void {
    const { step } = lease.unit;
    if (step > this.#steps) return void this.#todo.push(() => this.#answer(lease));
    const { from, to } = blockRange(lease.block, lease.unit.microBatches);
    const computeSeconds = (to - from) * (1 + (Number(lease.worker.slice(1)) % 5)) * 0.01;
    this.#post({
      type: 'offer',
      worker: lease.worker,
      lease: lease.id,
      step,
      stateHash: `s${step}`,
      digest: 'd',
      bytes: 1000,
      computeSeconds,
    });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.stdout.write(`${JSON.stringify({ what: 'decide', ...benchDecide() })}\n`);
}
