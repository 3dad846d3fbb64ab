import { describe, expect, it } from 'vitest';
import { bandwidth, duration, milliseconds } from '../../../cli/plan/quantities.js';
import { speedsOfTrace } from '../../../cli/plan/speeds-of-trace.js';
import { predictStep } from '../../../cli/plan/step-model.js';
import type { TraceEvent } from '../../../coordinator/trace/trace-file.js';

const shape = { samples: 4, microBatches: 2, bytes: 100 };

/** A step of 100 ms of one worker; times in milliseconds from its start. */
function stepOf(step: number, atMs: number, stepMs = 100): TraceEvent[] {
  const span = (pid: number, name: string, fromMs: number, toMs: number): TraceEvent => ({
    name,
    ph: 'X',
    pid,
    tid: 1,
    ts: (atMs + fromMs) * 1000,
    dur: (toMs - fromMs) * 1000,
    args: { step },
  });
  return [
    span(2, 'load', 0, 2),
    ...[span(2, 'label', 2, 6), span(2, 'student', 6, 26), span(2, 'reduce', 26, 27)],
    ...[span(2, 'label', 27, 29), span(2, 'student', 29, 59), span(2, 'reduce', 59, 60)],
    span(2, 'send', 60, 64),
    ...[span(1, 'reduce', 66, 67), span(1, 'apply', 67, 70), span(1, 'fsync', 70, 90)],
    span(2, 'receive', 67, 75),
    span(1, 'commit', 66, stepMs - 5),
    span(2, 'apply', stepMs - 4, stepMs - 1),
  ];
}

const named: TraceEvent = { name: 'process_name', ph: 'M', pid: 1, tid: 0, args: { name: 'coordinator' } };
const stepsOf = (count: number): TraceEvent[] => [
  named,
  ...Array.from({ length: count }, (_, i) => stepOf(i, i * 100)).flat(),
];

describe('speeds of a trace', () => {
  const speeds = {
    ...{ labelMs: 3, studentMs: 25, addMs: 1, loadMs: 2, sendMs: 4, receiveMs: 5, applyMs: 3 },
    ...{ commitReduceMs: 1, commitApplyMs: 3, fsyncMs: 20 },
  };

  it('are what its steps took, and all else that a step took beside', () => {
    const found = speedsOfTrace(stepsOf(10), shape, 8);
    expect(found).toMatchObject(speeds);
    // 2 to load, 52 to compute, 4 up, 4 to commit, 20 on the disk, 3 to apply; the labels are hidden.
    expect(found?.otherMs).toBeCloseTo(100 - 85, 6);
  });

  it('give the time of the measured step back, where they are asked for it', () => {
    const found = speedsOfTrace(stepsOf(10), shape, 8);
    const alone = { hosts: 1, workersPerHost: 1, hostBytesPerSecond: null, coordinatorBytesPerSecond: null };
    const cluster = { ...alone, latencyMs: 0, slowdown: 1 };
    expect(found === null ? NaN : predictStep(found, shape, cluster).stepMs).toBeCloseTo(100, 6);
  });

  it('leave out steps that took much longer', () => {
    const events = [...stepsOf(10), ...stepOf(10, 1000, 900), ...stepOf(11, 1900)];
    expect(speedsOfTrace(events, shape, 8)).toMatchObject(speeds);
  });

  it('are not told from too few steps, or of what the worker has not told yet', () => {
    expect(speedsOfTrace(stepsOf(9), shape, 8)).toBeNull();
    expect(speedsOfTrace([], shape, 1)).toBeNull();
    const untold = stepsOf(10).filter(({ pid, args }) => pid === 1 || Number(args?.step) < 4);
    expect(speedsOfTrace(untold, shape, 8)).toBeNull();
  });
});

describe('quantities of the command line', () => {
  it('are read with their units', () => {
    expect([bandwidth('25Gbit'), bandwidth('800 Mbit/s'), bandwidth('1.6kbit')]).toEqual([3.125e9, 1e8, 200]);
    expect([duration('0.1ms'), duration('50us'), duration('2 s'), duration('0ms')]).toEqual([0.1, 0.05, 2000, 0]);
    expect([milliseconds('0'), milliseconds('2.5')]).toEqual([0, 2.5]);
  });

  it.each(['25', '25GB', '-1Gbit', '0Gbit', 'Gbit', '1e3Mbit'])('%s is no bandwidth', (text) => {
    expect(() => bandwidth(text)).toThrow('25Gbit');
  });

  it.each(['1', '1m', '-1ms', 'ms'])('%s is no time', (text) => {
    expect(() => duration(text)).toThrow('0.1ms');
  });

  it.each(['', ' ', '-1', 'x', '1e999'])('"%s" is no number of milliseconds', (text) => {
    expect(() => milliseconds(text)).toThrow('from 0');
  });
});
