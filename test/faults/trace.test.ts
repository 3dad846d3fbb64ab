/** The trace of real runs: it is whole, says what was done when, and a worker or coordinator that is killed ends its part. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { commitsOf, soon, type Program } from '../../bench/programs.js';
import type { TraceEvent } from '../../coordinator/trace/trace-file.js';
import { steps } from '../e2e/bars.js';
import { scratchFolder, startCoordinator, startWorker, urlOf, type Place } from '../e2e/processes.js';
import { BarsRuns, expectDone } from './bars-run.js';

const scratch = scratchFolder();
const runs = new BarsRuns(scratch.path);
afterAll(() => scratch.remove());
/** Micro-batches of 32 samples by 5, and of the last 22 of an epoch. */
const wholeStep = 7;

interface Span {
  readonly name: string;
  readonly startUs: number;
  readonly endUs: number;
  readonly step: number;
  readonly microBatch: number;
}

interface Process {
  readonly title: string;
  /** Spans by the name of their row, in the order of their starts, the longer first. */
  readonly rows: ReadonlyMap<string, Span[]>;
}

class Trace {
  readonly processes: Process[];
  /** How far the clocks may be apart, in microseconds. */
  readonly errorUs: number;

  constructor(events: readonly TraceEvent[]) {
    const named = (name: string) => events.filter((event) => event.name === name);
    this.processes = named('process_name').map(({ pid, args }) => ({
      title: String(args?.name),
      rows: new Map(
        named('thread_name')
          .filter((row) => row.pid === pid)
          .map((row) => [String(row.args?.name), spansOf(events.filter((one) => isOn(one, row)))]),
      ),
    }));
    this.errorUs = Math.max(...named('clock').map(({ args }) => Number(args?.errorMs) * 1000));
  }

  get coordinator(): Span[] {
    return this.processes.find(({ title }) => title.startsWith('coordinator'))?.rows.get('coordinator') ?? [];
  }

  get workers(): Process[] {
    return this.processes.filter(({ title }) => title.startsWith('worker'));
  }
}

const isOn = ({ ph, pid, tid }: TraceEvent, row: TraceEvent): boolean =>
  ph === 'X' && pid === row.pid && tid === row.tid;

function spansOf(events: readonly TraceEvent[]): Span[] {
  return events
    .map(({ name, ts = NaN, dur = NaN, args }) => ({
      name,
      startUs: ts,
      endUs: ts + dur,
      step: Number(args?.step),
      microBatch: Number(args?.microBatch),
    }))
    .sort((a, b) => a.startUs - b.startUs || b.endUs - a.endUs);
}

/** Pairs of spans of which one begins in the other and ends after it. */
function crossings(spans: readonly Span[]): [Span, Span][] {
  const open: Span[] = [];
  return spans.flatMap((span) => {
    while ((open.at(-1)?.endUs ?? Infinity) <= span.startUs + rounding) open.pop();
    const around = open.at(-1);
    open.push(span);
    return around !== undefined && span.endUs > around.endUs + rounding ? [[around, span] as [Span, Span]] : [];
  });
}

/** Times are written to the nanosecond, in microseconds. */
const rounding = 0.002;
const namesOn = (spans: readonly Span[] = []): string[] => [...new Set(spans.map(({ name }) => name))].sort();
const last = (process: Process | undefined): number =>
  Math.max(...[...(process?.rows.values() ?? [])].flat().map(({ step }) => (Number.isNaN(step) ? 0 : step)));

function startTraced(place: Place, path: string): Program {
  return startCoordinator(place, { expect: 2, flags: ['--trace', path] });
}

describe('a trace of a run', () => {
  it('has a row of everyone, and ends the one of a worker that is killed', async () => {
    const place = runs.placeOf('traced');
    const path = join(scratch.path, 'trace.json');
    const coordinator = startTraced(place, path);
    const url = await urlOf(coordinator);
    const [killed, other] = ['w0', 'w1'].map((name) => startWorker(place, name, url));
    while (commitsOf(place.out).length < 8) await soon(2);
    killed?.child.kill('SIGKILL');
    if (other !== undefined) await expectDone(coordinator, other);
    expect(coordinator.stderr).toMatch(/trace \S+trace\.json: \d+ events, [\d.]+ MB; open it in/);
    const trace = new Trace(JSON.parse(readFileSync(path, 'utf8')) as TraceEvent[]);
    expectWhole(trace);
    const [first, survivor] = [...trace.workers].sort((a, b) => last(a) - last(b));
    expect([last(first) < steps - 5, last(survivor)]).toEqual([true, steps]);
  });

  it('of a coordinator that is killed is the array without its end', async () => {
    const place = runs.placeOf('traced to the kill');
    const path = join(scratch.path, 'cut.json');
    const coordinator = startTraced(place, path);
    const url = await urlOf(coordinator);
    const workers = ['w0', 'w1'].map((name) => startWorker(place, name, url));
    // Commits of its own, and spans of a worker.
    while (!/"commit"[^]*"student"/.test(readFileSync(path, 'utf8'))) await soon(20);
    coordinator.child.kill('SIGKILL');
    for (const worker of workers) worker.child.kill('SIGKILL');
    await coordinator.ended;
    const trace = new Trace(JSON.parse(`${readFileSync(path, 'utf8')}]`) as TraceEvent[]);
    expect(trace.workers).toHaveLength(2);
    expect(namesOn(trace.coordinator)).toContain('commit');
    expect(crossings(trace.coordinator)).toEqual([]);
  });
});

function expectWhole(trace: Trace): void {
  expect(namesOn(trace.coordinator)).toEqual(['apply', 'commit', 'fsync', 'reduce', 'wait']);
  expect(trace.workers).toHaveLength(2);
  for (const { rows } of trace.workers) {
    expect([...rows.keys()]).toEqual(['trainer', 'link, up', 'link, down']);
    const trainer = rows.get('trainer');
    expect(namesOn(trainer)).toEqual(expect.arrayContaining(['label', 'load', 'reduce', 'student', 'wait']));
    expect(namesOn(rows.get('link, up'))).toEqual(['send']);
    expect(namesOn(rows.get('link, down'))).toEqual(['apply', 'receive']);
    for (const spans of rows.values())
      spans
        .slice(1)
        .forEach((span, i) => expect(span.startUs).toBeGreaterThanOrEqual((spans[i]?.endUs ?? 0) - rounding));
  }
  expect(crossings(trace.coordinator)).toEqual([]);
  expectInOrder(trace);
}

/** Every step's gradients are computed before it is committed, and it is applied by the workers after that. */
function expectInOrder({ coordinator, workers, errorUs }: Trace): void {
  const [trainers, downs] = ['trainer', 'link, down'].map((row) => workers.flatMap(({ rows }) => rows.get(row) ?? []));
  const commits = coordinator.filter(({ name }) => name === 'commit');
  const applied = coordinator.filter(({ name }) => name === 'apply');
  expect(applied.map(({ step }) => step)).toEqual([...Array(steps).keys()]);
  for (const { step, startUs } of applied) {
    const commit = commits.find((one) => one.step === step && one.startUs <= startUs && one.endUs >= startUs);
    const students = (trainers ?? []).filter((span) => span.name === 'student' && span.step === step);
    const parts = new Set(students.map(({ microBatch }) => microBatch));
    // What a killed worker had not told yet is gone with it.
    if (step > 15 && step % 5 !== 4) expect(parts.size).toBe(wholeStep);
    for (const part of parts) {
      const first = Math.min(...students.filter(({ microBatch }) => microBatch === part).map(({ endUs }) => endUs));
      expect(first).toBeLessThan((commit?.startUs ?? 0) + 2 * errorUs);
    }
    for (const span of (downs ?? []).filter((one) => one.name === 'apply' && one.step === step))
      expect(span.endUs).toBeGreaterThan((commit?.startUs ?? Infinity) - 2 * errorUs);
  }
}
