/** What a simulated run is made of, and everything that goes wrong in it. */
import type { Compression } from '../../../shared/compression.js';

export const workerFaults = [
  'die',
  'mute',
  'hang',
  'fail',
  'poison',
  'corrupt',
  'flip',
  'drift',
  'stallUpload',
  'repeat',
  'lose',
  'teacher',
  'lie',
  'exaggerate',
  'nothing',
] as const;

export interface WorkerPlan {
  /** Milliseconds of a micro-batch. */
  readonly costMs: number;
  readonly joinMs: number;
  /**
   * What it does wrong, with what probability at each lease:
   *
   *   die          its process ends, and another takes its place
   *   mute         it is cut off: nothing comes from it any more
   *   hang         it is heard, and computes nothing any more
   *   fail         it says that it cannot compute the lease
   *   poison       its gradient is not finite
   *   corrupt      the bytes that arrive are not those of their digest
   *   flip         a bit of its replica changes
   *   drift        from then on it applies commits wrongly, as every other worker does that drifts
   *   stallUpload  its bytes do not come when they are asked for
   *   repeat       it offers the same contribution twice
   *   lose         it forgets the lease
   *   exaggerate   its gradient is a million times too big, and all that it says of it fits
   *   nothing      its gradient is zero, and all that it says of it fits
   *   lie          a number of its gradient is another one, and all that it says of it fits
   *   teacher      its copy of a teacher cannot label the lease
   */
  readonly fault: 'none' | (typeof workerFaults)[number];
  readonly chance: number;
  /** The relay that it goes to first, by its number; absent: none. */
  readonly relay?: number;
}

/**
 * What happens to a relay, in the life in which it falls. `killRelay`: it dies, and another takes its place after so long.
 * `cutRelay`: its connection upwards breaks. `muteRelay`: nothing comes up on that connection any more. `stallRelay`: the
 * bytes of its contributions do not come for so long.
 */
export interface RelayStrike {
  readonly kind: 'killRelay' | 'cutRelay' | 'muteRelay' | 'stallRelay';
  readonly atMs: number;
  readonly downMs: number;
}

export interface RelayPlan {
  readonly strikes: readonly RelayStrike[];
  /** Whether it offers each contribution twice. */
  readonly repeats: boolean;
}

export interface Crash {
  readonly atMs: number;
  readonly downMs: number;
  /**
   * What is amiss besides: the newest snapshot is unreadable; or the log's newest commits are, so that the run goes
   * back. Or no crash: a stop in good order, after which others of the workers are there; or a changed bit in the
   * coordinator's replica, which it finds itself.
   */
  readonly kind: 'kill' | 'damagedSnapshot' | 'lostLog' | 'stop' | 'flip';
}

export interface Plan {
  readonly seed: number;
  readonly units: readonly { readonly kind: 'train' | 'evaluate'; readonly microBatches: number }[];
  readonly workers: readonly WorkerPlan[];
  /** Relays between workers and coordinator; absent: none. */
  readonly relays?: readonly RelayPlan[];
  /** Of the coordinator, each in the life in which it falls. */
  readonly crashes: readonly Crash[];
  readonly snapshotEvery: number;
  /** Slots beyond those that the prefix needs. */
  readonly earlySlots: number;
  /** For the price of an upload; the bytes that travel are few. */
  readonly contributionBytes: number;
  /** Contributions come with their offer, or when they are asked for. */
  readonly isInline: boolean;
  readonly stopMs: number | null;
  /** Longest delay of a frame. */
  readonly latencyMs: number;
  /** Longest time of a write. */
  readonly diskMs: number;
  readonly compression: Compression;
  /** Share of blocks that two workers compute; absent: none. */
  readonly audit?: number;
  /** Blocks that are summed before any is suspected to be out of proportion; absent: as usual. */
  readonly leastBlocks?: number;
  /** What becomes of a teacher that fails, and which of them fail everywhere from a step on; absent: none, and stop. */
  readonly teachers?:
    | {
        readonly onFailure: 'stop' | 'drop';
        readonly broken: readonly { readonly teacher: string; readonly fromStep: number }[];
      }
    | undefined;
}

/** Of every run. */
export const teacherNames = ['a', 'b', 'c'] as const;
