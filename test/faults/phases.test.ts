/**
 * Killed in every phase of a step, with real processes: a worker, or the coordinator, which is then started again with
 * the same command. The run ends with the bits of a run that nothing disturbed, and each sample is in exactly one
 * commit.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { faultPoints, type FaultPoint } from '../../shared/fault-points.js';
import { commitsOf, journalOf, type Program } from '../../bench/programs.js';
import { scratchFolder, startCoordinator, startWorker, urlOf } from '../e2e/processes.js';
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

/** Every point with a compiled student, and the one inside the computation on wasm, too. */
const kills: [FaultPoint, keyof typeof runsOn][] = [
  ...faultPoints.map((point): [FaultPoint, 'auto'] => [point, 'auto']),
  ['computing', 'wasm'],
];

describe.each(kills)('a worker killed at the phase: %s, with backend %s', (point, backend) => {
  const runs = runsOn[backend];

  it('costs no sample and changes no bit; another takes its place', async () => {
    const place = runs.placeOf(`worker-${point}`);
    const coordinator = startCoordinator(place);
    const url = await urlOf(coordinator);
    const victim = startWorker(place, 'victim', url, { STILLHOUSE_FAULT: `${point}@${passes.worker[point]}` });
    await expectKilled(victim, point);
    const other = startWorker(place, 'other', url);
    await expectDone(coordinator, other);
    await runs.expectUndisturbed(place);
  });
});

describe.each(kills)('the coordinator killed at the phase: %s, with backend %s', (point, backend) => {
  const runs = runsOn[backend];

  it('goes on when it is started again, with the workers that waited for it', async () => {
    const place = runs.placeOf(`coordinator-${point}`);
    const first = startCoordinator(place, {
      expect: 2,
      environment: { STILLHOUSE_FAULT: `${point}@${passes.coordinator[point]}` },
    });
    const url = await urlOf(first);
    const workers = [startWorker(place, 'w0', url), startWorker(place, 'w1', url)];
    await expectKilled(first, point);
    await expectSound(place);
    const before = commitsOf(place.out).length;
    const second = startCoordinator(place, { port: Number(new URL(url).port), expect: 2 });
    await expectDone(second, ...workers);
    await runs.expectUndisturbed(place);
    expect(journalOf(place.out).filter((line) => line.type === 'generation')).toHaveLength(2);
    if (before > 0) expect(second.stderr).toMatch(/continuing .* at step \d+/);
  });
});
