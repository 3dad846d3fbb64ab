import { readdir, readFile, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Snapshots, type RunPosition } from '../../../coordinator/store/snapshots.js';
import { sourceOf } from '../../../coordinator/store/state-copy.js';
import { hashOf, payloadOf, sha256Of, temporaryFolder } from '../helpers.js';

const position = (step: number): RunPosition => ({
  step,
  update: step,
  unit: step,
  epoch: 0,
  stateHash: hashOf(step),
  recipeDigest: 'd',
  journal: 'j',
});

async function withSteps(steps: readonly number[], keep = 2): Promise<{ folder: string; snapshots: Snapshots }> {
  const folder = await temporaryFolder();
  const snapshots = await Snapshots.open(folder, 'r', keep);
  for (const step of steps) await snapshots.write(sourceOf(payloadOf(step, 100)), position(step));
  return { folder, snapshots };
}

describe('Snapshots', () => {
  it('are named by step and content, and give the state back', async () => {
    const { folder, snapshots } = await withSteps([0, 7]);
    const sha256 = sha256Of(payloadOf(7, 100));
    expect((await readdir(folder)).filter((name) => name.startsWith('7'))).toEqual([
      `7-${sha256}.json`,
      `7-${sha256}.state`,
    ]);
    const again = await Snapshots.open(folder, 'r', 2);
    const target = new Uint8Array(100);
    const { newest } = again;
    expect(newest).toEqual(snapshots.newest);
    expect(newest !== undefined && (await again.load(newest, target))).toBe(true);
    expect(target).toEqual(payloadOf(7, 100));
  });

  it('keep the newest ones and the one at step 0', async () => {
    const { folder, snapshots } = await withSteps([0, 5, 10, 15]);
    expect(snapshots.all.map(({ step }) => step)).toEqual([0, 10, 15]);
    expect((await readdir(folder)).length).toBe(6);
  });

  it('ask for the log from the last one to fall back on', async () => {
    expect((await withSteps([0])).snapshots.oldestStep).toBe(0);
    expect((await withSteps([0, 5])).snapshots.oldestStep).toBe(0);
    expect((await withSteps([0, 5, 10])).snapshots.oldestStep).toBe(5);
    expect((await withSteps([0, 5, 10], 1)).snapshots.oldestStep).toBe(10);
  });

  it('that are damaged are passed over', async () => {
    const { folder, snapshots } = await withSteps([0, 5, 10]);
    const { newest } = snapshots;
    if (newest === undefined) throw new Error('no snapshot');
    const bytes = await readFile(newest.path);
    bytes.writeUInt8(bytes.readUInt8(50) ^ 4, 50);
    await writeFile(newest.path, bytes);
    const again = await Snapshots.open(folder, 'r', 2);
    expect(again.newest?.step).toBe(10);
    const damaged = again.newest;
    expect(damaged !== undefined && (await again.load(damaged, new Uint8Array(100)))).toBe(false);
    expect(again.newest?.step).toBe(5);
    // Nor are they taken for one by whoever opens the folder next.
    expect((await Snapshots.open(folder, 'r', 2)).all.map(({ step }) => step)).toEqual([0, 5]);
  });

  it('that are cut short, or have no header, are none', async () => {
    const { folder, snapshots } = await withSteps([0, 5, 10]);
    await truncate(snapshots.newest?.path ?? '', 99);
    expect((await Snapshots.open(folder, 'r', 2)).newest?.step).toBe(5);
    const header = snapshots.all.find(({ step }) => step === 5)?.path.replace(/state$/, 'json') ?? '';
    await writeFile(header, '{"step": 5');
    expect((await Snapshots.open(folder, 'r', 2)).newest?.step).toBe(0);
  });

  it('that no state fits are named and set aside, and what a kill left half written is deleted', async () => {
    const { folder, snapshots } = await withSteps([0, 5, 10]);
    const [, five, ten] = snapshots.all.map(({ path }) => path);
    await truncate(ten ?? '', 99);
    await unlink(five ?? '');
    for (const name of ['7-a.state', '8-b.state.new', '8-b.json.new', 'best.weights'])
      await writeFile(join(folder, name), 'half');
    const again = await Snapshots.open(folder, 'r', 2);
    const headers = [five, ten].map((path) => path?.replace(/state$/, 'json'));
    expect([...again.unusable].sort()).toEqual([...headers].sort());
    await again.tidy();
    expect(again.unusable).toEqual([]);
    const [zero] = snapshots.all.map(({ path }) => basename(path, '.state'));
    const left = [
      `${zero}.json`,
      `${zero}.state`,
      basename(ten ?? ''),
      ...headers.map((path) => basename(path ?? '').replace(/json$/, 'damaged')),
      'best.weights',
    ];
    expect((await readdir(folder)).sort()).toEqual(left.sort());
  });

  it('leave the earlier ones alone when the disk is full', async () => {
    const { folder, snapshots } = await withSteps([0, 5]);
    await symlink('/dev/full', join(folder, '10.state.new'));
    await expect(snapshots.write(sourceOf(payloadOf(10, 100)), position(10))).rejects.toMatchObject({
      name: 'UserError',
      exitCode: 69,
      message: expect.stringMatching(/snapshot at step 10: no space left on the disk/),
    });
    expect((await Snapshots.open(folder, 'r', 2)).newest?.step).toBe(5);
  });
});
