/** What a small world is made of: workers, messages on their wires, leases, and what is on the disk. */
import type { Unit } from '../../../coordinator/decide/types.js';
import type { Block } from '../../../shared/replica/reduction/tree.js';

export type Down =
  | { readonly type: 'lease' | 'cancel' | 'pull'; readonly lease: number }
  | { readonly type: 'release'; readonly step: number };
export type Up = { readonly type: 'ready' } | { readonly type: 'offer' | 'bytes' | 'failed'; readonly lease: number };

export interface Worker {
  /** The connection's name; null while there is none. */
  id: string | null;
  /** Down: its process is gone, and the coordinator has not noticed, or it has not been started again. */
  isAlive: boolean;
  /** Steps that its replica has applied; null when it holds nothing. */
  steps: number | null;
  readonly down: Down[];
  readonly up: Up[];
  /** It was found to lie, and comes back no more. */
  isBanned: boolean;
  queue: number[];
  computing: number | null;
}

export interface Lease {
  readonly worker: string;
  readonly unit: Unit;
  readonly block: Block;
  readonly dropped: readonly string[];
  state: 'active' | 'accepted' | 'over';
  slot: number | null;
}

/** A unit on the disk. */
export interface Written {
  readonly unit: number;
  readonly sum: string;
  readonly dropped: readonly string[];
}

/** A unit on its way to the disk. */
export interface Writing {
  readonly index: number;
  readonly slot: number;
  readonly dropped: readonly string[];
}

/** A block of the open step that failed, and the connection where it did. */
export interface Failure {
  readonly block: string;
  readonly worker: string;
}
