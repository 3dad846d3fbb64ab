/**
 * Killed in every phase of a step, with real processes: a worker, or the coordinator, which is then started again with
 * the same command. The run ends with the bits of a run that nothing disturbed, and each sample is in exactly one
 * commit.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PlaneName } from '../../shared/exchange/planes/list.js';
import { faultPoints, type FaultPoint } from '../../shared/fault-points.js';
import { commitsOf, journalOf, type Program } from '../../bench/programs.js';
import { onSocket, scratchFolder, startCoordinator, startWorker, urlOf } from '../e2e/processes.js';
import { BarsRuns, expectDone, expectSound } from './bars-run.js';

const scratch = scratchFolder();
const runsOn = { auto: new BarsRuns(scratch.path, 'auto'), wasm: new BarsRuns(scratch.path) };
beforeAll(async () => {
  for (const runs of Object.values(runsOn)) await runs.runUndisturbed();
});
afterAll(() => scratch.remove());

/** The fault fired: it says so, and the process died of it. */
async function expectKilled(program: Program, point: FaultPoint): Promise<void> {
  const { code, stderr } = await program.ended;
  expect(stderr).toContain(`fault: ${point}`);
  expect(code).toBeNull();
}

/** How often a point is passed before it kills: in the middle of the run where it is passed often. */
const passes: Record<'worker' | 'coordinator', Record<FaultPoint, number>> = {
  worker: {
    idle: 1,
    leased: 9,
    computing: 20,
    'first-chunk': 9,
    'all-chunks': 5,
    'before-fsync': 6,
    'after-fsync': 11,
    'partial-release': 6,
    'before-acknowledgement': 6,
    snapshot: 1,
  },
  coordinator: {
    idle: 1,
    leased: 30,
    computing: 20,
    'first-chunk': 30,
    'all-chunks': 20,
    'before-fsync': 10,
    'after-fsync': 10,
    'partial-release': 15,
    'before-acknowledgement': 10,
    snapshot: 2,
  },
};

/**
 * Every point with a compiled student and bulk bytes through memory, the one inside the computation on wasm, too, and
 * those in the middle of bulk bytes on the socket.
 */
const kills: [FaultPoint, keyof typeof runsOn, PlaneName][] = [
  ...faultPoints.map((point): [FaultPoint, 'auto', 'memory'] => [point, 'auto', 'memory']),
  ['computing', 'wasm', 'memory'],
  ['first-chunk', 'auto', 'socket'],
  ['all-chunks', 'auto', 'socket'],
  ['after-fsync', 'auto', 'socket'],
];

/** Files in memory of this test alone. */
const memory = join(scratch.path, 'memory');
beforeAll(() => mkdirSync(memory));

function flagsOf(plane: PlaneName): readonly string[] {
  return plane === 'socket' ? onSocket : ['--memory-folder', memory];
}

/** The workers' bulk bytes went this way, and nothing is left of it. */
function expectPlane(coordinator: Program, plane: PlaneName): void {
  expect(coordinator.stderr).toContain(`, plane ${plane}`);
  const folders = readdirSync(memory);
  expect(folders.flatMap((folder) => readdirSync(join(memory, folder)))).toEqual([]);
}

describe.each(kills)('a worker killed at the phase: %s, with backend %s, on %s', (point, backend, plane) => {
  const runs = runsOn[backend];

  it('costs no sample and changes no bit; another takes its place', async () => {
    const place = runs.placeOf(`worker-${point}-${plane}`);
    const coordinator = startCoordinator(place, { flags: flagsOf(plane) });
    const url = await urlOf(coordinator);
    const fault = { STILLHOUSE_FAULT: `${point}@${passes.worker[point]}` };
    const victim = startWorker(place, 'victim', url, fault, undefined, flagsOf(plane));
    await expectKilled(victim, point);
    const other = startWorker(place, 'other', url, {}, undefined, flagsOf(plane));
    await expectDone(coordinator, other);
    expectPlane(coordinator, plane);
    await runs.expectUndisturbed(place);
  });
});

describe.each(kills)('the coordinator killed at the phase: %s, with backend %s, on %s', (point, backend, plane) => {
  const runs = runsOn[backend];

  it('goes on when it is started again, with the workers that waited for it', async () => {
    const place = runs.placeOf(`coordinator-${point}-${plane}`);
    const first = startCoordinator(place, {
      expect: 2,
      flags: flagsOf(plane),
      environment: { STILLHOUSE_FAULT: `${point}@${passes.coordinator[point]}` },
    });
    const url = await urlOf(first);
    const workers = ['w0', 'w1'].map((name) => startWorker(place, name, url, {}, undefined, flagsOf(plane)));
    await expectKilled(first, point);
    await expectSound(place);
    const before = commitsOf(place.out).length;
    const second = startCoordinator(place, { port: Number(new URL(url).port), expect: 2, flags: flagsOf(plane) });
    await expectDone(second, ...workers);
    expectPlane(second, plane);
    await runs.expectUndisturbed(place);
    expect(journalOf(place.out).filter((line) => line.type === 'generation')).toHaveLength(2);
    if (before > 0) expect(second.stderr).toMatch(/continuing .* at step \d+/);
  });
});
