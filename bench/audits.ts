/**
 * What audits find, and what they cost: the coordinator's core with four workers, of which one flips a bit in one of a
 * thousand of its contributions. Prints, for each share, the steps until that one is turned away, over many seeds, and
 * how many contributions were computed twice. It counts, and measures no time.
 * Arguments: [shares = 0.01,0.02,0.05,0.1,1] [trials = 2000, of share 1; fewer of the others] [one in = 1000]
 */
import { pathToFileURL } from 'node:url';
import { auditsOf } from '../coordinator/core-config.js';
import { Core } from '../coordinator/decide/decide.js';
import type { Command, Event, Unit } from '../coordinator/decide/types.js';
import { randomStream, shuffle } from '../shared/random.js';

const workers = 4;
const liar = 'w2';

export interface AuditTrial {
  /** Steps that were committed before the liar was turned away. */
  readonly steps: number;
  /** Contributions of the liar by then, and those of them that were compared with another's. */
  readonly contributions: number;
  readonly compared: number;
  /** Contributions beyond one for each block, by all of them. */
  readonly repeated: number;
  readonly blocks: number;
  /** Whether anybody else was turned away. */
  readonly isUnjust: boolean;
}

/** Runs until the liar is found. @param lies one in how many of its contributions is wrong */
export function auditTrial({ share, lies, seed }: { share: number; lies: number; seed: number }): AuditTrial {
  const rig = new Rig(share, lies, seed);
  rig.run();
  const { steps, contributions, compared, leases, blocks, isUnjust } = rig;
  return { steps, contributions, compared, repeated: leases - blocks, blocks, isUnjust };
}

class Rig {
  steps = 0;
  contributions = 0;
  leases = 0;
  blocks = 0;
  isUnjust = false;
  /** Contributions of the liar to blocks that are audited. */
  compared = 0;
  readonly #core: Core;
  readonly #audits: ReturnType<typeof auditsOf>;
  readonly #random: ReturnType<typeof randomStream>;
  readonly #lies: number;
  readonly #cancelled = new Set<number>();
  #todo: (() => void)[] = [];
  #nowMs = 0;
  #isFound = false;

  constructor(share: number, lies: number, seed: number) {
    this.#lies = lies;
    this.#random = randomStream(['audits', share, seed]);
    this.#audits = auditsOf(share, `secret ${seed}`);
    const unitAt = (step: number): Unit => ({
      kind: 'train',
      step,
      epoch: 0,
      from: 0,
      to: workers,
      microBatches: workers,
    });
    this.#core = new Core({
      unitAt,
      firstUnit: 0,
      stateHash: 's0',
      skips: 0,
      slots: 8,
      contributionBytes: 1000,
      silenceMs: 1e15,
      firstLeaseMs: 1e15,
      audits: this.#audits,
    });
  }

  run(): void {
    for (let i = 1; i <= workers; i++) this.#post({ type: 'join', worker: `w${i}` });
    for (let i = 1; i <= workers; i++)
      this.#post({ type: 'ready', worker: `w${i}`, step: 0, stateHash: 's0', numerics: 'same' });
    // In a random order, so that no worker is favoured.
    while (!this.#isFound) for (const act of this.#shuffled(this.#todo.splice(0))) act();
  }

  #shuffled(acts: readonly (() => void)[]): (() => void)[] {
    return [...shuffle(Uint32Array.from(acts.keys()), this.#random)].flatMap((i) => acts[i] ?? []);
  }

  #post(event: { readonly type: Event['type'] } & Record<string, unknown>): void {
    const timed = { ...event, nowMs: this.#nowMs++ } as unknown as Event;
    for (const command of this.#core.handle(timed)) this.#carryOut(command);
  }

  #carryOut(command: Command): void {
    if (command.type === 'lease') this.#todo.push(() => this.#answer(command));
    if (command.type === 'cancel') this.#cancelled.add(command.id);
    if (command.type === 'pull') this.blocks++;
    if (command.type === 'pull')
      this.#todo.push(() => this.#post({ type: 'received', worker: command.worker, lease: command.id }));
    if (command.type === 'commit') this.#todo.push(() => this.#commit(command.index));
    if (command.type === 'audit') {
      this.#isFound ||= command.workers.some(({ worker }) => worker === liar);
      this.isUnjust ||= command.outcome === 'undecided' || command.workers.some(({ worker }) => worker !== liar);
    }
  }

  #commit(index: number): void {
    this.steps++;
    this.#post({ type: 'committed', unit: index, stateHash: `s${this.steps}`, isSkipped: false, stopEarly: false });
  }

  /** A tentative lease is answered once its step is open; one that was taken back is not computed. */
  #answer(lease: Extract<Command, { type: 'lease' }>): void {
    const { step } = lease.unit;
    if (this.#cancelled.delete(lease.id)) return;
    if (step > this.steps) return void this.#todo.push(() => this.#answer(lease));
    const isLiar = lease.worker === liar;
    const isLie = isLiar && this.#random.float() * this.#lies < 1;
    this.leases++;
    if (isLiar) this.contributions++;
    if (isLiar && this.#audits?.isChosen(lease.unit, lease.block) === true) this.compared++;
    this.#post({
      type: 'offer',
      worker: lease.worker,
      lease: lease.id,
      step,
      stateHash: `s${step}`,
      digest: isLie ? `lie ${this.#random.float()}` : 'right',
      bytes: 1000,
      computeSeconds: 0.01,
    });
  }
}

/** One row of the table: what is expected of an audited share, and what came of so many trials. */
export function auditRow(share: number, trials: number, lies: number): Record<string, number> {
  const all = Array.from({ length: trials }, (_, seed) => auditTrial({ share, lies, seed }));
  const sum = (of: (trial: AuditTrial) => number): number => all.reduce((total, trial) => total + of(trial), 0);
  const mean = sum(({ steps }) => steps) / trials;
  const spread = Math.sqrt(sum(({ steps }) => (steps - mean) ** 2) / Math.max(1, trials - 1));
  return {
    share,
    trials,
    // It is found by the first lie that is compared, by so many that are compared of it in a step.
    expectedSteps: Math.round((lies * sum(({ steps }) => steps)) / sum(({ compared }) => compared)),
    meanSteps: Math.round(mean),
    standardError: Math.round(spread / Math.sqrt(trials)),
    blocksPerStep: Number((sum(({ blocks }) => blocks) / sum(({ steps }) => steps)).toFixed(2)),
    meanContributions: Math.round(sum(({ contributions }) => contributions) / trials),
    computedTwice: Number((sum(({ repeated }) => repeated) / sum(({ blocks }) => blocks)).toFixed(4)),
    unjust: all.filter(({ isUnjust }) => isUnjust).length,
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [shares = '0.01,0.02,0.05,0.1,1', trials = '2000', lies = '1000'] = process.argv.slice(2);
  for (const share of shares.split(',').map(Number)) {
    const row = auditRow(share, Math.max(1, Math.round(Number(trials) * share)), Number(lies));
    process.stdout.write(`${JSON.stringify({ what: 'audits', ...row })}\n`);
  }
}
