import { rmSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { BlockPlan } from '../../../shared/labels/block-plan.js';
import { LabelBlocks } from '../../../shared/labels/label-blocks.js';
import { LabelStore } from '../../../shared/labels/store.js';
import { firstSet, labelOf, sourceOf, temporaryFolder } from './fixtures.js';

const folder = temporaryFolder();
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A disk that lets something happen while it writes. */
class SlowStore extends LabelStore {
  meanwhile: () => Promise<void> = async () => undefined;

  override async save(...args: Parameters<LabelStore['save']>): Promise<void> {
    await super.save(...args);
    await this.meanwhile();
  }
}

it('keeps a block that is asked for while memory is given back, with the rows that are added to it then', async () => {
  const set = firstSet();
  const plan = new BlockPlan(sourceOf().manifest.train, set.codec.rowBytes);
  const store = new SlowStore({ folder, maxBytes: 2 ** 30, warn: () => undefined });
  const blocks = new LabelBlocks({ sets: [set], plan, store, maxBytes: 1 });
  const first = await blocks.open(0, 0);
  first.add(0, labelOf(0), 0);
  store.meanwhile = async () => (await blocks.open(0, 0)).add(1, labelOf(1), 0);
  await blocks.open(0, 1);
  store.meanwhile = async () => undefined;
  expect((await blocks.open(0, 0)).count).toBe(2);
  await blocks.open(0, 2);
  expect(await blocks.counts(0)).toEqual([2, 0, 0]);
});
