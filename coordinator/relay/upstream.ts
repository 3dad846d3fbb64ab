/**
 * Whoever is above a relay, as the relay sees it: the link of a worker, which knows neither relays nor coordinators. The
 * command line joins the two.
 */
import type { Manifest } from '../../shared/data/manifest.js';
import type { StudentSpec } from '../../shared/models/student-spec.js';
import type { Down, Up } from '../../shared/protocol/messages.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import type { Replica } from '../../shared/replica/replica.js';

/** The run that was joined above. */
export interface RelayedRun {
  readonly welcome: Down<'welcome'>;
  readonly recipe: Recipe;
  readonly spec: StudentSpec;
  readonly manifest: Manifest;
  /** Its last slot holds commits; the others are the relay's until they go up with a contribution. */
  readonly replica: Replica;
  /** Where the replica stands, and what proves that it was released. */
  readonly position: () => { readonly step: number; readonly stateHash: string; readonly receipt: string };
}

/** A lease from above that is computed. */
export interface RelayedContribution {
  readonly lease: number;
  readonly step: number;
  readonly stateHash: string;
  /** The slot with the gradient, which comes back when it is sent; null without gradient. */
  readonly slot: number | null;
  readonly sums: Readonly<Record<string, number>>;
  readonly momentCounts: readonly number[];
  readonly seconds: Readonly<Record<string, number>>;
}

/** A request of HTTP that is passed up as it came. */
export interface PassedRequest {
  readonly path: string;
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Its answer. */
export interface PassedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Uint8Array;
}

/** What the relay tells and asks whoever is above. */
export interface Upstream {
  /** Workers are here that compute these bits: leases may come. */
  built(probe: Up<'ready'>['probe']): void;
  /** No worker is here any more: leases go back. */
  unbuilt(reason: string): void;
  contribute(contribution: RelayedContribution): void;
  fail(failure: {
    readonly lease: number;
    readonly microBatch: number;
    readonly reason: string;
    readonly teacher: string | undefined;
  }): void;
  /** The relay waits for slots that went up. */
  needSlots(): void;
  /** Somebody below has given a sign of life. */
  tick(): void;
  /** The path of an artifact that the run names. @throws UserError when it cannot be had */
  fetch(sha256: string): Promise<string>;
  /** Passes a request up. @throws Error when nobody answers within `timeoutMs` */
  ask(request: PassedRequest, timeoutMs: number): Promise<PassedAnswer>;
}
