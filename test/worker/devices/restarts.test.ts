import { describe, expect, it } from 'vitest';
import { Restarts, usualRules, type WorkerEnd } from '../../../worker/devices/restarts.js';
import { exitCodes } from '../../../shared/errors.js';

const killed: WorkerEnd = { code: null, signal: 'SIGKILL', livedMs: 5000, lastLine: '' };
const withCode = (code: number): WorkerEnd => ({ code, signal: null, livedMs: 5000, lastLine: 'why' });

describe('a worker process that ends', () => {
  it('by a signal or a bug is started again, after a pause that doubles, until it was once too often', () => {
    const restarts = new Restarts(1);
    const ends = [killed, withCode(1), withCode(139), killed, withCode(1)];
    expect(ends.map((end) => restarts.ended(0, end))).toEqual([
      { type: 'restart', afterMs: 1000, fault: 1, reason: 'killed by SIGKILL' },
      { type: 'restart', afterMs: 2000, fault: 2, reason: 'ended with 1 (why)' },
      { type: 'restart', afterMs: 4000, fault: 3, reason: 'ended with 139 (why)' },
      { type: 'restart', afterMs: 8000, fault: 4, reason: 'killed by SIGKILL' },
      { type: 'out', reason: '5 faults in a row, the last: ended with 1 (why)' },
    ]);
    expect([restarts.isOver, restarts.exitCode]).toEqual([true, exitCodes.noGpu]);
  });

  it('never pauses for longer than the longest pause', () => {
    const restarts = new Restarts(1, { ...usualRules, limit: 20 });
    const pauses = Array.from({ length: 12 }, () => restarts.ended(0, killed)).map(
      (end) => end.type === 'restart' && end.afterMs,
    );
    expect(pauses.slice(-6)).toEqual([60_000, 60_000, 60_000, 60_000, 60_000, 60_000]);
  });

  it('after a long life has a clean slate', () => {
    const restarts = new Restarts(1);
    for (let i = 0; i < 20; i++)
      expect(restarts.ended(0, { ...killed, livedMs: usualRules.cleanMs })).toMatchObject({ fault: 1 });
    restarts.ended(0, killed);
    expect(restarts.ended(0, killed)).toMatchObject({ fault: 3, afterMs: 4000 });
  });

  it.each([0, 2, 65, 69, 75, 77, 79])('with %d has said why, and is not started again', (code) => {
    const restarts = new Restarts(1);
    expect(restarts.ended(0, withCode(code))).toEqual({ type: 'over', code });
    expect([restarts.isOver, restarts.exitCode]).toEqual([true, code]);
  });

  it('is not started again once the host stops', () => {
    const restarts = new Restarts(2);
    expect(restarts.ended(0, killed).type).toBe('restart');
    restarts.stop();
    restarts.leave(0);
    expect(restarts.ended(1, killed)).toEqual({ type: 'over', code: exitCodes.stopped });
    expect([restarts.isOver, restarts.exitCode]).toEqual([true, exitCodes.stopped]);
  });
});

describe('the exit code of a host', () => {
  it.each<[readonly (number | 'out')[], number]>([
    [[0, 0], 0],
    [[0, 79], 79],
    [[75, 77], 75],
    [[0, 'out'], 0],
    [['out', 'out'], 79],
    [['out', 65], 65],
  ])('of devices that ended with %j is %d', (ends, wanted) => {
    const restarts = new Restarts(ends.length, { ...usualRules, limit: 1 });
    // In the reverse order, since it is the order of the devices that counts.
    for (const [i, end] of [...ends.entries()].reverse()) restarts.ended(i, end === 'out' ? killed : withCode(end));
    expect(restarts.exitCode).toBe(wanted);
  });
});
