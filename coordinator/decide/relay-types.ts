/**
 * What the core of a relay hears and says. A relay is a worker to whoever is above it and a coordinator to the workers
 * below it: the leases of the former are the units of the latter. No I/O, no clock: time comes in as `nowMs`.
 */
import type { Block } from '../../shared/replica/reduction/tree.js';
import type { Slot, Unit, WorkerEvent, WorkerId } from './types.js';

/** What has happened, before the shell adds the time. */
export type UntimedRelayEvent =
  | WorkerEvent
  /** A worker was welcomed below; it cannot be leased to yet. */
  | { readonly type: 'join'; readonly worker: WorkerId; readonly process: string }
  /** It has caught up, and computes the bits that this relay stands for. */
  | { readonly type: 'ready'; readonly worker: WorkerId }
  /** A lease came from above. */
  | { readonly type: 'leased'; readonly lease: number; readonly unit: Unit; readonly block: Block }
  /** A lease was taken back from above. */
  | { readonly type: 'cancelled'; readonly lease: number }
  /** The connection upwards is gone, and with it every lease. */
  | { readonly type: 'disconnected' }
  /** The relay's replica stands at `step`. */
  | { readonly type: 'weights'; readonly step: number; readonly stateHash: string };

/** An event with the time at which it is heard. */
export type RelayEvent = { readonly nowMs: number } & UntimedRelayEvent;

/** What the shell of a relay is to do, in the order in which it was said. */
export type RelayCommand =
  | {
      readonly type: 'lease';
      readonly worker: WorkerId;
      readonly id: number;
      /** The lease from above that it is a part of, with its unit. */
      readonly of: number;
      readonly unit: Unit;
      readonly block: Block;
    }
  | { readonly type: 'cancel'; readonly worker: WorkerId; readonly id: number; readonly step: number }
  /** Pull the offered bytes into the slot. */
  | { readonly type: 'pull'; readonly worker: WorkerId; readonly id: number; readonly slot: Slot }
  /** The offered contribution, which has no bytes, lies in the slot. */
  | { readonly type: 'accept'; readonly worker: WorkerId; readonly id: number; readonly slot: Slot }
  /** `into` = `into` + `from`, which is its right sibling; `from` is free afterwards. */
  | { readonly type: 'merge'; readonly into: Slot; readonly from: Slot }
  | { readonly type: 'free'; readonly slot: Slot }
  /** The lease from above is computed: its sum lies in the slot, which is the shell's from now on. */
  | { readonly type: 'report'; readonly lease: number; readonly slot: Slot; readonly wallMs: number }
  /** The lease from above could not be computed by anybody here. */
  | {
      readonly type: 'fail';
      readonly lease: number;
      readonly microBatch: number;
      readonly reason: string;
      readonly teacher: string | undefined;
    }
  | { readonly type: 'resync'; readonly worker: WorkerId; readonly reason: string }
  | { readonly type: 'dismiss'; readonly worker: WorkerId; readonly code: number; readonly reason: string }
  | { readonly type: 'say'; readonly level: 'info' | 'warn'; readonly text: string };

/** What the core of a relay has to know of its run. */
export interface RelayConfig {
  /** Slots that contributions are merged in, for each lease from above. */
  readonly slots: number;
  /** Milliseconds without a word, beside what an answer may take, after which a worker is gone. */
  readonly silenceMs: number;
  /** Milliseconds that a first lease may take, when kernels compile. */
  readonly firstLeaseMs: number;
  /** Bytes of a contribution with a gradient. */
  readonly contributionBytes: number;
}
