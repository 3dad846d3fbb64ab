/**
 * Where one connection to the coordinator stands, and the transitions between its states. It is pure.
 *
 *   greeting --welcomed--> preparing --joined--> catchingUp --admitted--> working
 *                                                    |                       |
 *                                                    +-------disputed--------+----> disputed
 *
 *   any of these --closing--> closing
 *
 *   greeting    `hello` is sent and the welcome awaited
 *   preparing   the run's files and its snapshot are being fetched; frames wait
 *   catchingUp  the run is here; its replica comes to where the coordinator was at the welcome, and the probe is made
 *   working     `ready` was said: leases come and contributions go
 *   disputed    `differs` was said: whether the replica is dropped or this worker refused is for the coordinator to say
 *   closing     the connection is being closed, for a cause; of all frames only `end` is still heard
 *
 * No state but `closing` has a cause, and none before `catchingUp` has a run, so that nobody can act on one too early.
 */
import { ProtocolError } from '../../shared/errors.js';
import { closeCodes, type Down, type DownMessage } from '../../shared/protocol/messages.js';
import type { JoinedRun } from './joined-run.js';

interface Joined {
  readonly welcome: Down<'welcome'>;
  readonly run: JoinedRun;
}

export interface Greeting {
  readonly type: 'greeting';
}
export interface Preparing {
  readonly type: 'preparing';
  readonly welcome: Down<'welcome'>;
}
export interface CatchingUp extends Joined {
  readonly type: 'catchingUp';
}
export interface Working extends Joined {
  readonly type: 'working';
}
export interface Disputed extends Joined {
  readonly type: 'disputed';
  /** Whether `ready` was said before. */
  readonly wasReady: boolean;
}
export interface Closing {
  readonly type: 'closing';
  readonly cause: Cause;
  /** Where the connection stood when it began to close. */
  readonly before: OpenState;
}

export type OpenState = Greeting | Preparing | CatchingUp | Working | Disputed;
export type SessionState = OpenState | Closing;

/** Why a connection ends. */
export type Cause =
  /** The coordinator said that the run has ended. */
  | { readonly type: 'end'; readonly message: Down<'end'> }
  /** The coordinator said that the replica is to be dropped. */
  | { readonly type: 'resync' }
  /** The coordinator broke a rule, or something that it should have could not be had now. */
  | { readonly type: 'fault'; readonly reason: string }
  /** This worker leaves because it was asked to. */
  | { readonly type: 'leaving' }
  /** The coordinator closed the connection without a last word, or the connection broke. */
  | { readonly type: 'lost' }
  /** This worker cannot take part: an error of the user's, or a bug. */
  | { readonly type: 'failure'; readonly error: Error };

/** @throws ProtocolError for a second welcome */
export function welcomed(state: OpenState, welcome: Down<'welcome'>): Preparing {
  if (state.type !== 'greeting') throw new ProtocolError('a second welcome');
  return { type: 'preparing', welcome };
}

export function joined({ welcome }: Preparing, run: JoinedRun): CatchingUp {
  return { type: 'catchingUp', welcome, run };
}

export function admitted({ welcome, run }: CatchingUp): Working {
  return { type: 'working', welcome, run };
}

/** @throws Error in a state in which no commit is released */
export function disputed(state: SessionState): Disputed {
  if (state.type !== 'catchingUp' && state.type !== 'working') throw new Error(`a dispute while ${state.type}`);
  return { type: 'disputed', welcome: state.welcome, run: state.run, wasReady: state.type === 'working' };
}

/**
 * The first cause counts: what comes after it is a consequence. Only the coordinator's last word is heard after any
 * cause but a failure of this worker.
 */
export function closing(state: SessionState, cause: Cause): Closing {
  if (state.type !== 'closing') return { type: 'closing', cause, before: state };
  return cause.type === 'end' && state.cause.type !== 'failure' ? { ...state, cause } : state;
}

/** The state itself, or the last one before the connection began to close. */
export function openStateOf(state: SessionState): OpenState {
  return state.type === 'closing' ? state.before : state;
}

/** The welcome, once it has come. */
export function welcomeOf(state: SessionState): Down<'welcome'> | null {
  const open = openStateOf(state);
  return open.type === 'greeting' ? null : open.welcome;
}

/** The run that the welcome named, once it is prepared. */
export function runOf(state: SessionState): JoinedRun | null {
  const open = openStateOf(state);
  return open.type === 'greeting' || open.type === 'preparing' ? null : open.run;
}

/** Whether `ready` was said on this connection. */
export function wasReady(state: SessionState): boolean {
  const open = openStateOf(state);
  return open.type === 'working' || (open.type === 'disputed' && open.wasReady);
}

/** Whether the replica must not be used any more: it differs from the coordinator's. */
export function isReplicaLost(state: SessionState): boolean {
  return openStateOf(state).type === 'disputed' || (state.type === 'closing' && state.cause.type === 'resync');
}

/**
 * The run that a frame speaks of.
 *
 * @throws ProtocolError for a frame before the welcome, or of another run or generation than the welcome's
 */
export function runOfFrame(state: OpenState, message: DownMessage): JoinedRun {
  const [run, welcome] = [runOf(state), welcomeOf(state)];
  if (run === null || welcome === null) throw new ProtocolError(`a ${message.type} came before the welcome`);
  if (message.run !== welcome.run || message.generation !== welcome.generation) {
    throw new ProtocolError(
      `a ${message.type} of run ${message.run}, generation ${message.generation} came in ${welcome.run}, ${welcome.generation}`,
      closeCodes.stale,
    );
  }
  return run;
}
