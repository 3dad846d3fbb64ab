/**
 * A disk that is slow, read-only or too small, under a coordinator in a real process. One that fills in mid-run:
 * test/e2e/refusals.test.ts.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitsOf, soon } from '../../bench/programs.js';
import { curveOf, scratchFolder, startCoordinator, startWorker, urlOf } from '../e2e/processes.js';
import { BarsRuns, expectDone } from './bars-run.js';

const scratch = scratchFolder();
const runs = new BarsRuns(scratch.path);
beforeAll(() => runs.runUndisturbed());
afterAll(() => scratch.remove());

describe('a disk on which every write takes a second more', () => {
  it('slows the run down, and makes nobody dead, silent or late', async () => {
    const place = runs.placeOf('slow disk');
    const coordinator = startCoordinator(place, { expect: 2, environment: { STILLHOUSE_FAULT: 'slow-disk@32+' } });
    const url = await urlOf(coordinator);
    await expectDone(coordinator, startWorker(place, 'w0', url), startWorker(place, 'w1', url));
    // The log's writes, and those of snapshots beside them.
    expect(coordinator.stderr.match(/fault: slow-disk/g)?.length).toBeGreaterThan(8);
    const commits = commitsOf(place.out);
    expect((commits.at(-1)?.atMs ?? 0) - (commits.at(-6)?.atMs ?? 0)).toBeGreaterThan(5000);
    expect(coordinator.stderr).not.toMatch(/silent|late|left:.*open again|warning/);
    await runs.expectUndisturbed(place);
  });
});

/** A small file system of its own takes a mount, which takes root. */
const canMount = process.getuid?.() === 0;

describe.runIf(canMount)('a disk that takes nothing', () => {
  const [disk, small] = [join(scratch.path, 'disk'), join(scratch.path, 'small')];
  const remount = (mode: 'ro' | 'rw'): void => void execFileSync('mount', ['-o', `remount,${mode}`, disk]);
  beforeAll(() => {
    for (const [path, size] of [
      [disk, '64m'],
      [small, '20k'],
    ] as const) {
      mkdirSync(path);
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]);
    }
  });
  afterAll(() => [disk, small].forEach((path) => execFileSync('umount', ['-l', path])));

  it('since it is read-only ends the run with 69 and one line, and the same command goes on once it is not', async () => {
    const place = { ...runs.placeOf('read-only'), out: join(disk, 'run') };
    const first = startCoordinator(place);
    const worker = startWorker(place, 'w0', await urlOf(first));
    while (commitsOf(place.out).length < 5) await soon(2);
    first.child.kill('SIGINT');
    expect([(await first.ended).code, (await worker.ended).code]).toEqual([75, 75]);
    remount('ro');
    const refused = await startCoordinator(place).ended;
    expect([refused.code, refused.stderr]).toEqual([
      69,
      expect.stringMatching(
        /\nstillhouse: .*: the disk is read-only; the run is safe up to its last journalled step, run again to continue\n$/,
      ),
    ]);
    const elsewhere = await startCoordinator({ ...place, out: join(disk, 'new') }).ended;
    expect([elsewhere.code, elsewhere.stderr]).toEqual([
      69,
      expect.stringMatching(
        /\nstillhouse: .*new: no run can be begun there \(EROFS\); a folder that can be written to was wanted: choose another --out\n$/,
      ),
    ]);
    remount('rw');
    const again = startCoordinator(place);
    await expectDone(again, startWorker(place, 'w1', await urlOf(again)));
    await runs.expectUndisturbed(place);
  });

  it('of the data that a run is to serve ends it with 69 and one line', async () => {
    const place = { ...runs.placeOf('full cache'), caches: small };
    const { code, stderr } = await startCoordinator(place).ended;
    expect([code, stderr]).toEqual([
      69,
      expect.stringMatching(
        /^stillhouse: .*artifacts: no space left on the disk; room for the data was wanted there, or another STILLHOUSE_CACHE\n$/,
      ),
    ]);
  });
});

const [image, disk] = [join(scratch.path, 'image'), join(scratch.path, 'breaking')];
const mount = (): void => void execFileSync('mount', ['-o', 'loop,errors=remount-ro', image, disk], { stdio: 'pipe' });

/** Whether an ext4 in a file is to be had, and tells of errors: it takes root and loop devices. */
function canBreak(): boolean {
  if (!canMount || !existsSync('/sys/fs/ext4')) return false;
  mkdirSync(disk);
  execFileSync('truncate', ['-s', '64M', image]);
  try {
    execFileSync('mkfs.ext4', ['-q', image], { stdio: 'pipe' });
    mount();
    execFileSync('umount', [disk]);
    return true;
  } catch {
    return false;
  }
}

/**
 * The kernel can be told of an error in an ext4: then it is read-only at once, also under files that are open for
 * writing.
 */
describe.runIf(canBreak())('a disk that breaks', () => {
  beforeAll(mount);
  afterAll(() => execFileSync('umount', ['-l', disk]));

  it('and becomes read-only while a run writes ends it with 69 and one line, and nothing that was committed is lost', async () => {
    const place = { ...runs.placeOf('breaking'), out: join(disk, 'run') };
    // Late writes are slow: the run is at work when the disk breaks.
    const coordinator = startCoordinator(place, { environment: { STILLHOUSE_FAULT: 'slow-disk@32+' } });
    const worker = startWorker(place, 'w0', await urlOf(coordinator));
    await coordinator.says(/fault: slow-disk/);
    const device = execFileSync('findmnt', ['-no', 'SOURCE', disk], { encoding: 'utf8' }).trim();
    writeFileSync(join('/sys/fs/ext4', basename(device), 'trigger_fs_error'), '1');
    const { code, stderr } = await coordinator.ended;
    expect([code, stderr]).toEqual([
      69,
      expect.stringMatching(
        /\nstillhouse: .*: the disk is read-only; the run is safe up to its last journalled step, run again to continue\n$/,
      ),
    ]);
    const kept = curveOf(place.out);
    expect(kept.length).toBeGreaterThan(0);
    execFileSync('umount', [disk]);
    // 1: errors were corrected.
    execFileSync('sh', ['-c', 'e2fsck -fy "$0" > "$0.log" 2>&1 || test $? -eq 1', image]);
    mount();
    expect(curveOf(place.out).slice(0, kept.length)).toEqual(kept);
    const again = startCoordinator(place, { port: Number(new URL(await urlOf(coordinator)).port) });
    await expectDone(again, worker);
    await runs.expectUndisturbed(place);
    expect(curveOf(place.out).slice(0, kept.length)).toEqual(kept);
  });
});

describe('a file where a folder is wanted', () => {
  it('is named, and left alone', async () => {
    const place = { ...runs.placeOf('a file'), out: runs.recipe };
    const { code, stderr } = await startCoordinator(place).ended;
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining(`${runs.recipe}: a file is in the way; a folder for the run was wanted`),
    ]);
  });
});
