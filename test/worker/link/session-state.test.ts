import { describe, expect, it } from 'vitest';
import { closeCodes, type Down, type DownMessage } from '../../../shared/protocol/messages.js';
import type { JoinedRun } from '../../../worker/link/joined-run.js';
import {
  admitted,
  closing,
  disputed,
  isReplicaLost,
  joined,
  runOf,
  runOfFrame,
  wasReady,
  welcomed,
  type Cause,
  type SessionState,
} from '../../../worker/link/session-state.js';

const welcome = { type: 'welcome', run: 'r', generation: 3 } as Down<'welcome'>;
// Only which run it is counts here.
const run = { runNumber: 1 } as unknown as JoinedRun;
const greeting = { type: 'greeting' } as const;
const preparing = welcomed(greeting, welcome);
const catchingUp = joined(preparing, run);
const working = admitted(catchingUp);
const end = { type: 'end', reason: 'done' } as Down<'end'>;
const frame = { type: 'pull', run: 'r', generation: 3 } as DownMessage;

describe('the state of a connection', () => {
  it('has a run from the welcome that was prepared on, and no second welcome', () => {
    expect([greeting, preparing, catchingUp, working].map(runOf)).toEqual([null, null, run, run]);
    for (const state of [preparing, catchingUp, working, disputed(working)])
      expect(() => welcomed(state, welcome)).toThrow('a second welcome');
  });

  it.each<[string, SessionState, boolean, boolean]>([
    ['greeting', greeting, false, false],
    ['preparing', preparing, false, false],
    ['catching up', catchingUp, false, false],
    ['working', working, true, false],
    ['disputed while catching up', disputed(catchingUp), false, true],
    ['disputed while working', disputed(working), true, true],
  ])('%s knows whether it was ready and its replica is lost, while it closes, too', (_case, state, ready, lost) => {
    for (const each of [state, closing(state, { type: 'lost' })])
      expect([wasReady(each), isReplicaLost(each)]).toEqual([ready, lost]);
    expect(isReplicaLost(closing(state, { type: 'resync' }))).toBe(true);
  });

  it('is not disputed where no commit is released', () => {
    for (const state of [greeting, preparing, disputed(working), closing(working, { type: 'lost' })])
      expect(() => disputed(state)).toThrow('a dispute while');
  });

  const fault: Cause = { type: 'fault', reason: 'a broken rule' };
  const failure: Cause = { type: 'failure', error: new Error('no such teacher') };
  const last: Cause = { type: 'end', message: end };
  it.each<[string, Cause[], Cause]>([
    ['the first cause', [fault, { type: 'leaving' }, { type: 'lost' }], fault],
    ["the coordinator's last word after a fault", [fault, last, { type: 'lost' }], last],
    ["the coordinator's last word after leaving", [{ type: 'leaving' }, last], last],
    ['a failure whatever comes after it', [failure, last, { type: 'lost' }], failure],
  ])('closes for %s', (_case, causes, expected) => {
    const state = causes.reduce<SessionState>(closing, working);
    expect(state).toMatchObject({ type: 'closing', cause: expected, before: working });
  });

  it('takes frames of its own run and generation alone', () => {
    expect(runOfFrame(working, frame)).toBe(run);
    for (const state of [greeting, preparing])
      expect(() => runOfFrame(state, frame)).toThrow('a pull came before the welcome');
    for (const other of [{ run: 'other' }, { generation: 2 }])
      expect(() => runOfFrame(working, { ...frame, ...other })).toThrow(
        expect.objectContaining({ closeCode: closeCodes.stale }),
      );
  });
});
