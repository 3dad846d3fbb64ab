/**
 * The coordinator's replica is memory like any other: what it commits or stores from there is compared with what it
 * was.
 */
import { counted } from '../../shared/counted.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import type { ReplicaPosition } from '../../shared/replica/apply-commit.js';
import type { Replica } from '../../shared/replica/replica.js';

/** The coordinator's replica is not what its commits have brought it to: it is to be rebuilt from snapshot and log. */
export class StateLost extends UserError {
  constructor(message: string) {
    super(message, exitCodes.unavailable);
  }
}

/** @throws StateLost when the replica is not in the state to which `step` commits have brought it */
export function expectOwnState(replica: Replica, position: ReplicaPosition): void {
  expectOwnHash(replica.hashState(), position);
}

/** @throws StateLost when a state of this hash is not the one to which `step` commits have brought the replica */
export function expectOwnHash(found: string, { step, stateHash }: ReplicaPosition): void {
  if (found === stateHash) return;
  throw new StateLost(
    `the coordinator's own replica has changed in memory: its state after ${counted(step, 'step')} is ${found} and was ${stateHash}; nothing was committed from it`,
  );
}
