/**
 * The pure core: it hears events and says commands. No I/O, no clock, no randomness: the same events give the same
 * commands. The rules of the machine:
 *
 *   unit:   open --- root complete ---> committing --- committed (released) ---> the next unit opens
 *             |\---- hopeless block --> committing, as a skip (three in a row: finish failed)
 *             \----- hopeless for a teacher --> open anew without it, by the recipe's policy (else: finish failed)
 *   lease:  computing -> offered -> pulled -> accepted     or, from any but the last, returned
 *
 *   - One unit is open; leases of the one after it are tentative: to be prepared, and due once it opens.
 *   - A worker computes one lease of the open unit at a time and holds one tentative one behind it, never before it.
 *   - Leased blocks never overlap. A block may be leased to several workers; the first valid contribution wins.
 *   - Sums are taken by tree position, never in order of arrival.
 *   - A worker that leaves, is silent or has another state is gone: its leases are open again, what came in from it
 * stays.
 *   - Late: a block whose leases are all past their deadlines is leased to one worker more. Failed: it is tried once
 * elsewhere.
 *   - Dropped: a teacher that failed a block wherever it was tried is no part of the run from that unit on, for all
 * alike; what
 *     was computed with it is let go, of the next unit too, and its leases are returned.
 *   - Audited: some blocks are leased to two; what two agree on is summed, and who differs is turned away (audits.ts).
 *   - Out of proportion: what is far bigger than the blocks before, or nothing, is set aside and audited (proportion.ts).
 *   - Lost: a late lease of a worker that does not move is taken back and leased anew; three in a row end its
 * connection.
 *   - After every event settle() tries the same few functions until none changes anything, so no event can forget one.
 */
import { settleAudits } from './audits.js';
import { commitComplete, endIfStopped, giveUpHopeless, openNext } from './commits.js';
import { leaseAhead, leaseOpen, pullNext } from './granting.js';
import { hear } from './hearing.js';
import type { Accounts } from './leases.js';
import { Machine } from './machine.js';
import { standingOf, type Standing } from './standing.js';
import type { Command, DecideConfig, Event, Unit, WorkerId } from './types.js';

/** What the core knows, for reports. */
export interface View {
  readonly index: number;
  readonly unit: Unit | null;
  readonly phase: 'open' | 'committing' | 'over';
  /** Micro-batches of the open unit whose contributions have arrived. */
  readonly microBatches: number;
  /** Blocks of the open unit that are leased and audited, in the order of their leasing, with the answers so far. */
  readonly audits: readonly {
    readonly from: number;
    readonly answers: readonly { readonly worker: WorkerId; readonly digest: string }[];
    readonly settled: string | null;
  }[];
  readonly workers: readonly {
    readonly worker: WorkerId;
    readonly isReady: boolean;
    readonly msPerMicroBatch: number | null;
    readonly leases: number;
    readonly progress: number;
  }[];
}

const questions: readonly ((m: Machine) => boolean)[] = [
  endIfStopped,
  openNext,
  commitComplete,
  giveUpHopeless,
  settleAudits,
  pullNext,
  leaseOpen,
  leaseAhead,
];

/** The core of one generation: a machine that is given every event and says what is to be done. */
export class Core {
  readonly #machine: Machine;
  #heardMs: number | null = null;

  constructor(config: DecideConfig) {
    this.#machine = new Machine(config);
  }

  /** The commands that the event leads to, to be carried out in order. After `finish` there are none. */
  handle(event: Event): Command[] {
    const m = this.#machine;
    if (m.isOver) return [];
    m.commands = [];
    m.nowMs = event.nowMs;
    this.#forgivePause(event.nowMs);
    hear(m, event);
    settle(m);
    return m.commands;
  }

  /** What became of the leases so far. */
  get accounts(): Accounts {
    return this.#machine.leases.accounts;
  }

  /** How the workers stand, for people who watch the run. */
  get standing(): Standing {
    return standingOf(this.#machine);
  }

  /** What the core knows, as a copy for reports. */
  view(): View {
    const { index, open, isOver, workers } = this.#machine;
    return {
      index,
      unit: open?.work.unit ?? null,
      phase: isOver ? 'over' : open?.isCommitting === true ? 'committing' : 'open',
      microBatches: open?.progress.microBatches ?? 0,
      audits: [...(open?.work.assignments ?? [])].flatMap(({ from, audit }) =>
        audit === null
          ? []
          : [
              {
                from,
                answers: audit.answers.map(({ worker, digest }) => ({ worker, digest })),
                settled: audit.settled,
              },
            ],
      ),
      workers: [...workers.all].map(({ id, isReady, costMs, leases, progress }) => ({
        worker: id,
        isReady,
        msPerMicroBatch: costMs.get('train') ?? null,
        leases: leases.size,
        progress,
      })),
    };
  }

  /**
   * A long time without any event, ticks included, was the coordinator's own pause: nobody was silent or late in it.
   */
  #forgivePause(nowMs: number): void {
    const m = this.#machine;
    const pausedMs = nowMs - (this.#heardMs ?? nowMs);
    this.#heardMs = nowMs;
    if (pausedMs <= m.config.silenceMs / 2) return;
    for (const worker of m.workers.all) {
      worker.heardMs += pausedMs;
      worker.movedMs += pausedMs;
    }
    for (const assignment of m.open?.work.assignments ?? [])
      for (const lease of assignment.leases) {
        lease.lateMs += pausedMs;
        lease.missedMs += pausedMs;
      }
  }
}

/** Does all that follows from the state, whatever event has led to it, and says what the run waits for. */
function settle(m: Machine): void {
  while (!m.isOver && questions.some((ask) => ask(m)));
  if (m.isOver) return;
  const isIdle = m.workers.ready.size === 0 && m.open?.isCommitting !== true;
  m.sayWaiting(isIdle ? 'waiting: no worker is ready' : null);
}
