/** When two histories of a small world have come to the same state. Pure. */
import type { Core } from '../../../coordinator/decide/decide.js';
import type { Down, Failure, Lease, Up, Worker, Writing, Written } from './model.js';

/** A world's state. */
export interface WorldState {
  readonly outcome: string | null;
  /** Crashes that may still happen. */
  readonly crashes: number;
  readonly released: number;
  readonly disk: readonly Written[];
  readonly writing: Writing | null;
  readonly dropped: readonly string[];
  readonly failures: readonly Failure[];
  /** The sum in each slot; null while its bytes are on their way. */
  readonly slots: ReadonlyMap<number, string | null>;
  /** Workers of which a contribution was accepted. */
  readonly proven: ReadonlySet<number>;
  readonly leases: ReadonlyMap<number, Lease>;
  readonly workers: readonly Worker[];
  /** Connections in the order in which they became ready. */
  readonly ready: readonly string[];
  /** What the coordinator's core shows; null while there is no coordinator. */
  readonly core: ReturnType<Core['view']> | null;
}

/**
 * All of a state that can be told apart from outside, as text. Leases go by what they are for, and connections by their
 * workers, not by number.
 */
export function fingerprintOf(world: WorldState): string {
  const name = (id: number): string => {
    const lease = world.leases.get(id);
    return lease === undefined
      ? 'gone'
      : `${lease.unit.step}:${lease.block.level}.${lease.block.index}:${lease.dropped.join()}:${lease.state}:${lease.slot}:${world.workers.findIndex((worker) => worker.id === lease.worker)}`;
  };
  const named = (message: Down | Up): string =>
    'lease' in message ? `${message.type} ${name(message.lease)}` : JSON.stringify(message);
  const { core: view } = world;
  return JSON.stringify([
    world.outcome,
    world.crashes,
    world.released,
    world.disk,
    world.writing,
    world.dropped,
    world.failures.map(({ block, worker }) => [block, world.workers.findIndex(({ id }) => id === worker)]),
    [...world.slots].sort(),
    [...world.proven].sort(),
    [...world.leases.keys()]
      .filter((id) => world.leases.get(id)?.state !== 'over')
      .map(name)
      .sort(),
    world.workers.map(({ id, isAlive, isBanned, steps, down, up, queue, computing }) => [
      id === null,
      isAlive,
      isBanned,
      steps,
      down.map(named),
      up.map(named),
      queue.map(name),
      computing === null ? null : name(computing),
    ]),
    world.ready.map((id) => world.workers.findIndex((worker) => worker.id === id)).filter((i) => i >= 0),
    view === null
      ? null
      : [
          view.index,
          view.phase,
          view.microBatches,
          view.audits.map(({ from, answers, settled }) => [
            from,
            answers.map(({ worker, digest }) => [world.workers.findIndex(({ id }) => id === worker), digest]),
            settled,
          ]),
          world.workers.map(({ id }) =>
            view.workers
              .filter(({ worker }) => worker === id)
              .map(({ isReady, msPerMicroBatch, leases }) => [isReady, msPerMicroBatch, leases]),
          ),
        ],
  ]);
}
