import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { LabelBlock } from '../../../shared/labels/block.js';
import { BlockPlan, type BlockPlace } from '../../../shared/labels/block-plan.js';
import type { LabelSet } from '../../../shared/labels/sets.js';
import { LabelStore } from '../../../shared/labels/store.js';
import { classes, firstSet, labelOf, sourceOf, temporaryFolder } from './fixtures.js';

const folders: string[] = [];
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true })));

function opened(maxBytes = 2 ** 30) {
  const folder = temporaryFolder();
  folders.push(folder);
  const lines: string[] = [];
  const open = (): LabelStore => new LabelStore({ folder, maxBytes, warn: (line) => lines.push(line) });
  return { folder, lines, open, store: open() };
}
const set = firstSet();
const { blocks } = new BlockPlan(sourceOf().manifest.train, set.codec.rowBytes);
const place = blocks[2] ?? { name: '', shard: '', from: 0, first: 0, rows: 0 };

function blockOf(rows: readonly number[], of: LabelSet = set, at: BlockPlace = place): LabelBlock {
  const block = new LabelBlock(of.codec, at.rows);
  for (const row of rows) block.add(row, labelOf(at.first + row), 0);
  return block;
}
const filesOf = (folder: string): string[] => readdirSync(join(folder, set.key));
const rowOf = (block: LabelBlock, row: number): Float32Array => {
  const out = new Float32Array(classes);
  block.read(row, out, 0);
  return out;
};

describe('the label store', () => {
  it('gives a block back to another process, to the bit', async () => {
    const { store, open, lines } = opened();
    await store.save(set, place, blockOf([0, 39]));
    const back = await open().load(set, place);
    expect([back.count, rowOf(back, 39)]).toEqual([2, labelOf(1539)]);
    expect(await open().counts(set, blocks)).toEqual([0, 0, 2]);
    expect(lines).toEqual([]);
  });

  it('names a file by the SHA-256 of its content, and leaves no other', async () => {
    const { store, folder } = opened();
    await store.save(set, place, blockOf([1]));
    const [file = '', ...others] = filesOf(folder);
    const { createHash } = await import('node:crypto');
    expect(file).toBe(
      `${place.name}.1.${createHash('sha256')
        .update(readFileSync(join(folder, set.key, file)))
        .digest('hex')}`,
    );
    expect(others).toEqual([]);
  });

  it('merges what two processes have written', async () => {
    const { store, open, folder } = opened();
    await store.save(set, place, blockOf([0, 1]));
    await open().save(set, place, blockOf([1, 2]));
    expect(filesOf(folder)).toHaveLength(1);
    expect((await open().load(set, place)).count).toBe(3);
  });

  it('reads the union of files that a race has left', async () => {
    const { store, open, folder } = opened();
    await store.save(set, place, blockOf([0, 1]));
    const [first = ''] = filesOf(folder);
    const kept = readFileSync(join(folder, set.key, first));
    await open().save(set, place, blockOf([2]));
    writeFileSync(join(folder, set.key, first), kept);
    const other = opened();
    await other.store.save(set, place, blockOf([5]));
    const [file = ''] = filesOf(other.folder);
    writeFileSync(join(folder, set.key, file), readFileSync(join(other.folder, set.key, file)));
    expect((await open().load(set, place)).count).toBe(4);
  });

  it.each([
    ['a changed byte', (bytes: Buffer) => bytes.fill(0x5a, bytes.length - 1)],
    ['a cut', (bytes: Buffer) => bytes.subarray(0, 100)],
    ['nothing', () => Buffer.alloc(0)],
  ])('says a damaged block (%s) in one line, removes it and has nothing', async (_case, damage) => {
    const { store, open, folder, lines } = opened();
    await store.save(set, place, blockOf([...Array(40).keys()]));
    const [file = ''] = filesOf(folder);
    const path = join(folder, set.key, file);
    writeFileSync(path, damage(readFileSync(path)));
    expect((await open().load(set, place)).count).toBe(0);
    expect(lines).toEqual([
      `labels: ${path} (samples 1500 to 1539, T=4) is damaged; it is thrown away, and its labels are computed again`,
    ]);
    expect(filesOf(folder)).toEqual([]);
  });

  it('names a block with a row that can be no label, removes it and has nothing', async () => {
    const { store, open, folder, lines } = opened();
    const block = blockOf([0, 1]);
    block.add(7, Float32Array.of(1e30, 1e30, 1e30), 0);
    await store.save(set, place, block);
    const [file = ''] = filesOf(folder);
    expect((await open().load(set, place)).count).toBe(0);
    expect(lines).toEqual([
      `labels: ${join(folder, set.key, file)} (samples 1500 to 1539, T=4) can be no label (sample 1507: a value of 1.00e+30; at most 1000000000 was wanted); it is thrown away, and its labels are computed again`,
    ]);
    expect(filesOf(folder)).toEqual([]);
  });

  it("does not mind a part that a killed process has left, or a stranger's file", async () => {
    const { store, open, folder } = opened();
    mkdirSync(join(folder, set.key));
    writeFileSync(join(folder, set.key, '.0badcafe.part'), 'x');
    writeFileSync(join(folder, set.key, 'notes.txt'), 'x');
    await store.save(set, place, blockOf([3]));
    expect((await open().load(set, place)).count).toBe(1);
  });

  it('lets the set go that was used longest ago when its bytes are too many', async () => {
    const { store, open, folder, lines } = opened(1200);
    const old = { ...set, key: 'e'.repeat(64) };
    const older = { ...set, key: 'f'.repeat(64) };
    await store.save(old, place, blockOf([0], old));
    await store.save(older, place, blockOf([0], older));
    utimesSync(join(folder, older.key), 1, 1);
    utimesSync(join(folder, old.key), 2, 2);
    await open().save(set, place, blockOf([0]));
    expect(readdirSync(folder).sort()).toEqual([set.key, old.key].sort());
    await open().counts(old, blocks);
    expect(statSync(join(folder, old.key)).mtimeMs).toBeGreaterThan(2000);
    expect(lines).toEqual([]);
  });

  it('makes the folder of its set again when another process removes it while a block is written', async () => {
    const { store, folder, lines } = opened();
    const over = new AbortController();
    let removed = 0;
    const removing = (async (): Promise<void> => {
      while (!over.signal.aborted) {
        await rm(join(folder, set.key), { recursive: true, force: true }).catch(() => undefined);
        removed++;
        await new Promise((resolve) => setTimeout(resolve, 4));
      }
    })();
    for (let i = 0; removed < 40; i++) await store.save({ ...set }, place, blockOf([i % place.rows]));
    over.abort();
    await removing;
    expect(lines).toEqual([]);
  });

  it('keeps its own blocks and takes no more when they alone are too many, and says so once', async () => {
    const { store, folder, lines } = opened(100);
    await store.save(set, place, blockOf([0]));
    await store.save(set, blocks[1] ?? place, new LabelBlock(set.codec, 476));
    await store.save(set, blocks[1] ?? place, blockOf([1], set, blocks[1]));
    expect(filesOf(folder)).toHaveLength(1);
    expect(lines).toEqual([expect.stringContaining('STILLHOUSE_LABELS_BYTES')]);
  });

  it('goes on without a disk that cannot be written to', async () => {
    const { folder, lines } = opened();
    writeFileSync(join(folder, 'file'), '');
    const store = new LabelStore({ folder: join(folder, 'file'), maxBytes: 2 ** 30, warn: (line) => lines.push(line) });
    await store.save(set, place, blockOf([0]));
    expect(lines).toEqual([expect.stringMatching(/takes no more \((ENOTDIR|EEXIST)\)/)]);
  });
});
