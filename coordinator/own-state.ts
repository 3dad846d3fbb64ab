/** The coordinator's replica is memory like any other: what it commits or stores from there is compared with what it was. */
import { exitCodes, UserError } from '../shared/errors.js';
import type { Replica } from '../shared/replica.js';

/** @throws UserError (69) when the replica is not in the state to which `step` commits have brought it */
export function expectOwnState(replica: Replica, { step, stateHash }: { readonly step: number; readonly stateHash: string }): void {
  const found = replica.hashState();
  if (found === stateHash) return;
  throw new UserError(
    `the coordinator's own replica has changed in memory: its state after ${step} steps is ${found} and was ${stateHash}; nothing was committed from it: run the same command again, it rebuilds the state from snapshot and log`,
    exitCodes.unavailable,
  );
}
