/**
 * Killed in every phase of a step, with real processes: a worker, or the coordinator, which is then started again with the
 * same command. The run ends with the bits of a run that nothing disturbed, and each sample is in exactly one commit.
 * The student has two chunks of gradient, so that its contributions can be cut in the middle.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { faultPoints, type FaultPoint } from '../../shared/fault-points.js';
import { barsRecipe, epochs, samples, steps, writeBars } from '../e2e/bars.js';
import { commitsOf, curveOf, digestOf, journalOf, type Place, type Program, scratchFolder, startCoordinator, startWorker, urlOf } from '../e2e/processes.js';

const scratch = scratchFolder();
const recipe = join(scratch.path, 'recipe.yaml');
const placeOf = (name: string): Place => ({ recipe, out: join(scratch.path, name), caches: join(scratch.path, 'caches', name) });
afterAll(() => scratch.remove());

/** The run that nothing disturbs, in one worker. */
let undisturbed: { readonly curve: unknown[]; readonly digest: string };

beforeAll(async () => {
  writeBars(scratch.path);
  writeFileSync(recipe, barsRecipe({ student: '{ builtin: mlp, hidden: [4096] }', more: 'snapshots: { everySteps: 7 }\n' }));
  const place = placeOf('undisturbed');
  const coordinator = startCoordinator(place);
  const worker = startWorker(place, 'w0', await urlOf(coordinator));
  await expectDone(coordinator, worker);
  undisturbed = { curve: curveOf(place.out), digest: digestOf(place.out) };
  expect(undisturbed.curve).toHaveLength(steps);
});

async function expectDone(...programs: readonly Program[]): Promise<void> {
  for (const program of programs) {
    const { code, stderr } = await program.ended;
    expect(code, stderr).toBe(0);
  }
}

/** The fault fired: it says so, and the process died of it. */
async function expectKilled(program: Program, point: FaultPoint): Promise<void> {
  const { code, stderr } = await program.ended;
  expect(stderr).toContain(`fault: ${point}`);
  expect(code).toBeNull();
}

function expectUndisturbed({ out }: Place): void {
  expect(curveOf(out)).toEqual(undisturbed.curve);
  expect(digestOf(out)).toBe(undisturbed.digest);
  for (let epoch = 0; epoch < epochs; epoch++) {
    const covered = commitsOf(out).filter((line) => line.epoch === epoch).flatMap((line) => Array.from({ length: line.to - line.from }, (_, i) => line.from + i));
    expect(covered).toEqual([...Array(samples).keys()]);
  }
}

/** How often a point is passed before it kills: in the middle of the run where it is passed often. */
const passes: Record<'worker' | 'coordinator', Record<FaultPoint, number>> = {
  worker: {
    idle: 1, leased: 9, computing: 20, 'first-chunk': 9, 'all-chunks': 5, 'before-fsync': 6, 'after-fsync': 11, 'partial-release': 6, 'before-acknowledgement': 6, snapshot: 1,
  },
  coordinator: {
    idle: 1, leased: 30, computing: 20, 'first-chunk': 30, 'all-chunks': 20, 'before-fsync': 10, 'after-fsync': 10, 'partial-release': 15, 'before-acknowledgement': 10, snapshot: 2,
  },
};

describe.each(faultPoints)('a worker killed at the phase: %s', (point) => {
  it('costs no sample and changes no bit; another takes its place', async () => {
    const place = placeOf(`worker-${point}`);
    const coordinator = startCoordinator(place);
    const url = await urlOf(coordinator);
    const victim = startWorker(place, 'victim', url, { STILLHOUSE_FAULT: `${point}@${passes.worker[point]}` });
    await expectKilled(victim, point);
    const other = startWorker(place, 'other', url);
    await expectDone(coordinator, other);
    expectUndisturbed(place);
  });
});

describe.each(faultPoints)('the coordinator killed at the phase: %s', (point) => {
  it('goes on when it is started again, with the workers that waited for it', async () => {
    const place = placeOf(`coordinator-${point}`);
    const first = startCoordinator(place, { expect: 2, environment: { STILLHOUSE_FAULT: `${point}@${passes.coordinator[point]}` } });
    const url = await urlOf(first);
    const workers = [startWorker(place, 'w0', url), startWorker(place, 'w1', url)];
    await expectKilled(first, point);
    const before = commitsOf(place.out).length;
    const second = startCoordinator(place, { port: Number(new URL(url).port) });
    await expectDone(second, ...workers);
    expectUndisturbed(place);
    expect(journalOf(place.out).filter((line) => line.type === 'generation')).toHaveLength(2);
    if (before > 0) expect(second.stderr).toMatch(/continuing .* at step \d+/);
  });
});
