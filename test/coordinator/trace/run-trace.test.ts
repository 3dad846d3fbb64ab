import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RunTrace, timed } from '../../../coordinator/trace/run-trace.js';
import type { TraceEvent } from '../../../coordinator/trace/trace-file.js';
import { workerSpanNames, type WorkerSpan } from '../../../shared/trace/spans.js';

class Sink {
  readonly events: TraceEvent[] = [];
  ms = 0;
  #pids = 0;
  nowMs = (): number => this.ms;
  nextPid = (): number => ++this.#pids;
  write = (event: TraceEvent): void => void this.events.push(event);

  spans(pid: number): [string, number, number, unknown][] {
    const spans = this.events.filter((event) => event.ph === 'X' && event.pid === pid);
    return spans.map(({ name, ts = NaN, dur = NaN, args }) => [name, ts, ts + dur, args]);
  }

  names(): unknown[] {
    return this.events.flatMap(({ name, pid, args }) => (name.endsWith('_name') ? [[pid, args?.name]] : []));
  }
}

describe('the row of the coordinator', () => {
  it('has each commit with what it is made of inside, and the wait before it', async () => {
    const sink = new Sink();
    const trace = new RunTrace(sink, 'bars');
    sink.ms = 2;
    trace.time('reduce', { step: 3 }, () => (sink.ms = 3));
    sink.ms = 5;
    await trace.commit({ step: 3 }, async () => {
      timed(trace, 'apply', { step: 3 }, () => (sink.ms = 6));
      await timed(trace, 'fsync', { step: 3 }, async () => {
        await Promise.resolve();
        sink.ms = 8;
      });
      sink.ms = 9;
    });
    expect(sink.names()).toEqual([
      [1, 'coordinator: bars'],
      [1, 'coordinator'],
    ]);
    const step = { step: 3 };
    expect(sink.spans(1)).toEqual([
      ['reduce', 2000, 3000, step],
      ['wait', 0, 5000, step],
      ['apply', 5000, 6000, step],
      ['fsync', 6000, 8000, step],
      ['commit', 5000, 9000, step],
    ]);
  });

  it('is written also for what fails, and the failure goes on', async () => {
    const sink = new Sink();
    const trace = new RunTrace(sink, 'bars');
    const failing = async (): Promise<never> => {
      throw new Error('full');
    };
    await expect(trace.commit({ step: 1 }, () => timed(trace, 'fsync', {}, failing))).rejects.toThrow('full');
    expect(sink.spans(1).map(([name]) => name)).toEqual(['wait', 'fsync', 'commit']);
  });

  it('is not there for a run that is not traced', () => {
    expect(timed(undefined, 'fsync', {}, () => 7)).toBe(7);
  });
});

describe('the rows of a worker', () => {
  const message = (spans: WorkerSpan[], offsetMs = 1000, errorMs = 0.25, lost = 0) => ({
    spans: spans.map((span): [...WorkerSpan] => [...span]),
    offsetMs,
    errorMs,
    lost,
  });

  it('have its spans in the time of the trace, each thread on its own, with what they were for', () => {
    const sink = new Sink();
    const worker = new RunTrace(sink, 'bars').worker('w1', 'gpu-7');
    sink.ms = 2000;
    worker.take(
      message([
        ['label', 10, 5, 3, 1, 7],
        ['student', 15, 2.5, 3, 1, 7],
        ['send', 16, 4, 3, null, 7],
        ['apply', 19, 1, 3, null, null],
      ]),
    );
    expect(sink.names().slice(2)).toEqual([
      [2, 'worker w1 (gpu-7): bars'],
      [2, 'trainer'],
      [2, 'link, up'],
      [2, 'link, down'],
    ]);
    expect(sink.spans(2)).toEqual([
      ['label', 1_010_000, 1_015_000, { step: 3, microBatch: 1, lease: 7 }],
      ['student', 1_015_000, 1_017_500, { step: 3, microBatch: 1, lease: 7 }],
      ['send', 1_016_000, 1_020_000, { step: 3, lease: 7 }],
      ['apply', 1_019_000, 1_020_000, { step: 3 }],
    ]);
    expect(sink.events.filter(({ ph }) => ph === 'X').map(({ tid }) => tid)).toEqual([1, 1, 2, 3]);
  });

  it('say how well the clocks are known, again when that changes by half, and what was lost', () => {
    const sink = new Sink();
    const worker = new RunTrace(sink, 'bars').worker('w1', 'gpu-7');
    for (const errorMs of [0.25, 0.3, 0.2, 0.6, 0.1]) worker.take(message([], 0, errorMs));
    worker.take(message([], 0, 0.1, 12));
    const said = sink.events.filter(({ ph }) => ph === 'i').map(({ name, args }) => [name, args]);
    expect(said).toEqual([
      ['clock', { errorMs: 0.25 }],
      ['clock', { errorMs: 0.6 }],
      ['clock', { errorMs: 0.1 }],
      ['spans lost', { count: 12 }],
    ]);
  });

  it('never overlap, nor reach beyond the present, whatever numbers a worker sends', () => {
    const any = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: -3000, max: 3000 }));
    const length = any.map(Math.abs);
    const span = fc.tuple(fc.constantFrom(...workerSpanNames), any, length, fc.nat(), fc.nat(), fc.nat());
    const messages = fc.array(fc.record({ spans: fc.array(span), offsetMs: any, errorMs: length, lost: fc.nat() }));
    fc.assert(
      fc.property(messages, (all) => {
        const sink = new Sink();
        const worker = new RunTrace(sink, 'bars').worker('w1', 'gpu-7');
        for (const one of all) {
          sink.ms += 500;
          worker.take(one);
        }
        const ends = new Map<number, number>();
        for (const { ph, tid, ts = NaN, dur = NaN } of sink.events) {
          if (ph !== 'X') continue;
          expect(dur).toBeGreaterThanOrEqual(0);
          expect(ts).toBeGreaterThanOrEqual((ends.get(tid) ?? 0) - 1e-3);
          expect(ts + dur).toBeLessThanOrEqual(sink.ms * 1000 + 1e-3);
          ends.set(tid, ts + dur);
        }
      }),
    );
  });
});
