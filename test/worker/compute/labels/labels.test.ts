import { readdirSync, rmSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { LabelStorage } from '../../../../shared/labels/storage.js';
import { BlockPlan } from '../../../../shared/labels/block-plan.js';
import { labelKey, type Label } from '../../../../shared/labels/kinds.js';
import { labelSets, type LabelSource } from '../../../../shared/labels/sets.js';
import { LabelBlocks, openLabelBlocks } from '../../../../shared/labels/label-blocks.js';
import { Labels } from '../../../../worker/compute/labels/labels.js';
import type { SharedLabels } from '../../../../worker/compute/labels/shared-labels.js';
import type { SampleView } from '../../../../worker/compute/teachers/routing.js';
import { openRunLabels } from '../../../../worker/compute/open/run-labels.js';
import { classes, labelOf, shards, sourceOf, teacherOf, temporaryFolder } from '../../../shared/labels/fixtures.js';

const folders: string[] = [];
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true })));

function storageOf(): LabelStorage {
  const folder = temporaryFolder();
  folders.push(folder);
  return { folder, maxBytes: 2 ** 30 };
}

/** An ensemble whose label is a function of the sample's first number, its id; it remembers what it was asked for. */
class FakeEnsemble {
  readonly asked: number[][] = [];
  /** The labels that were wanted with each. */
  readonly wanted: string[][] = [];
  readonly views: SampleView[] = [];

  async labels(
    labels: readonly Label[],
    inputs: Float32Array,
    views: readonly SampleView[],
  ): Promise<Map<string, Float32Array>> {
    const ids = views.map((_, i) => inputs[2 * i] ?? 0);
    this.asked.push(ids);
    this.wanted.push(labels.map(labelKey));
    this.views.push(...views);
    return new Map(
      labels.map((label, n) => [
        labelKey(label),
        Float32Array.from(ids.flatMap((id) => [...labelOf(id + 10_000 * n)])),
      ]),
    );
  }
}
const samples = (...ids: number[]): { inputs: Float32Array; labels: Int32Array } => ({
  inputs: Float32Array.from(ids.flatMap((id) => [id, id / 10])),
  labels: Int32Array.from(ids, (id) => id % 3),
});

function opened(source: LabelSource = sourceOf(), storage: LabelStorage | null = null) {
  const ensemble = new FakeEnsemble();
  const lines: string[] = [];
  const labels = openRunLabels({ source, ensemble: async () => ensemble, storage, warn: (line) => lines.push(line) });
  if (labels === null) throw new Error('no labels');
  const get = async (...ids: number[]): Promise<Float32Array | undefined> =>
    (await labels.get(Uint32Array.from(ids), samples(...ids), 0)).get('T=4');
  return { ensemble, labels, get, lines };
}
/** Two shards, or more. */
function placeOf(id: number): { shard: string; row: number } {
  let first = 0;
  for (const { sha256, samples: count } of shards) {
    if (id < first + count) return { shard: sha256, row: id - first };
    first += count;
  }
  throw new RangeError(`sample ${id}`);
}
const expected = (...ids: number[]): Float32Array => Float32Array.from(ids.flatMap((id) => [...labelOf(id)]));

describe('labels', () => {
  it('are computed once, wherever the sample comes again', async () => {
    const { ensemble, get, labels } = opened();
    expect(await get(10, 1520)).toEqual(expected(10, 1520));
    expect(await get(1520, 30, 10)).toEqual(expected(1520, 30, 10));
    expect(ensemble.asked).toEqual([[10, 1520], [30]]);
    expect(labels.counts).toEqual({ read: 2, computed: 3 });
  });

  it('are for each sample of a request, also for one that comes twice in it', async () => {
    const { get } = opened();
    expect(await get(5, 6, 5)).toEqual(expected(5, 6, 5));
  });

  it('are computed always when the cache is off', async () => {
    const { ensemble, get, labels } = opened(sourceOf({ labels: { cache: false } }), storageOf());
    expect(await get(1)).toEqual(expected(1));
    expect(await get(1)).toEqual(expected(1));
    expect([ensemble.asked.length, labels.counts.computed]).toEqual([2, 2]);
  });

  it('are computed always for views of which there is no fixed number', async () => {
    const { ensemble, labels } = opened(
      sourceOf({ data: { train: { format: 'npy', inputs: 'x.npy' }, augment: { noise: 1 } } }),
      storageOf(),
    );
    for (const view of [0, 7])
      expect((await labels.get(Uint32Array.of(1), samples(1), view)).get('T=4')).toEqual(expected(1));
    expect(ensemble.asked).toEqual([[1], [1]]);
  });

  it('are kept for each view apart', async () => {
    const { ensemble, labels } = opened(
      sourceOf({ data: { train: { format: 'npy', inputs: 'x.npy' }, augment: { noise: 1, views: 2 } }, epochs: 4 }),
      storageOf(),
    );
    for (const view of [0, 1, 0, 1]) await labels.get(Uint32Array.of(1), samples(1), view);
    expect(ensemble.asked).toEqual([[1], [1]]);
  });

  it('are read by the next run of the same teachers, in any order', async () => {
    const storage = storageOf();
    const first = opened(sourceOf(), storage);
    await first.get(...Array.from({ length: 1540 }, (_, i) => 1539 - i));
    await first.labels.close();
    const second = opened(sourceOf({ seed: 5 }), storage);
    expect(await second.get(3, 1000, 1501)).toEqual(expected(3, 1000, 1501));
    expect(second.ensemble.asked).toEqual([]);
  });

  it('are computed again for other teachers', async () => {
    const storage = storageOf();
    const first = opened(sourceOf(), storage);
    await first.get(3);
    await first.labels.close();
    const second = opened(sourceOf({ ensemble: { combine: 'probabilities' } }), storage);
    await second.get(3);
    expect(second.ensemble.asked).toEqual([[3]]);
    expect(readdirSync(storage.folder)).toHaveLength(1);
  });

  it.each(['float32', 'float16', 'top-k'])(
    'of precision %s have the same bits live, new, kept in memory and read from the disk',
    async (precision) => {
      const of = (cache: boolean): LabelSource => sourceOf({ labels: { precision, k: 2, cache } });
      const storage = storageOf();
      const first = opened(of(true), storage);
      const live = await opened(of(false)).get(7, 8, 1539);
      const fresh = await first.get(7, 8, 1539);
      const again = await first.get(7, 8, 1539);
      await first.labels.close();
      const second = opened(of(true), storage);
      const read = await second.get(7, 8, 1539);
      expect(second.ensemble.asked).toEqual([]);
      expect([fresh, again, read]).toEqual([live, live, live]);
      if (precision !== 'float32') expect(live).not.toEqual(expected(7, 8, 1539));
    },
  );

  it('of several kinds come from one forward, and are kept apart', async () => {
    const ensemble = new FakeEnsemble();
    const source = sourceOf();
    const kinds = [{ kind: 'mixture', temperature: 4 }, { kind: 'logits' }, { kind: 'teachers' }] as const;
    const labelBlocks = new LabelBlocks({
      sets: labelSets(source, kinds),
      plan: new BlockPlan(source.manifest.train, 12),
      store: null,
      maxBytes: 1e9,
    });
    const labels = new Labels({
      compute: (...asked) => ensemble.labels(...asked),
      labelBlocks,
      cache: true,
    });
    const ask = () => labels.get(Uint32Array.of(4), samples(4), 0);
    const first = await ask();
    expect([...first.keys()]).toEqual(['T=4', 'logits', 'teacher:wide']);
    expect(first.get('teacher:wide')).toEqual(labelOf(20_004));
    expect(await ask()).toEqual(first);
    expect(ensemble.asked).toEqual([[4]]);
  });

  it.each([true, false])(
    'are of a sample by its place in its shard, its view and its label (cache: %s)',
    async (cache) => {
      const { ensemble, labels } = opened(
        sourceOf({
          labels: { cache },
          data: { train: { format: 'npy', inputs: 'x.npy' }, augment: { noise: 1, views: 8 } },
          epochs: 9,
        }),
      );
      await labels.get(Uint32Array.of(7, 1100, 1539), samples(7, 1100, 1539), 5);
      expect(ensemble.views).toEqual([7, 1100, 1539].map((id) => ({ ...placeOf(id), view: 5, label: id % 3 })));
    },
  );

  it('that are not finite are given as they are and not kept', async () => {
    const { labels, ensemble } = opened();
    ensemble.labels = async (wanted, _inputs, { length: rows }) => {
      ensemble.asked.push([rows]);
      return new Map(
        wanted.map((label) => [
          labelKey(label),
          Float32Array.from({ length: rows * classes }, (_, i) => (i === 0 ? Number.NaN : -Math.log(3))),
        ]),
      );
    };
    const ask = () => labels.get(Uint32Array.of(1, 2), samples(1, 2), 0);
    expect((await ask()).get('T=4')?.[0]).toBeNaN();
    await ask();
    expect(ensemble.asked).toEqual([[2], [1]]);
  });

  it('that are too many for memory are read from the disk again', async () => {
    const ensemble = new FakeEnsemble();
    const source = sourceOf();
    const labelBlocks = openLabelBlocks(source, { storage: storageOf(), memoryBytes: 1, warn: () => undefined });
    if (labelBlocks === null) throw new Error('no label blocks');
    const labels = new Labels({
      compute: (...asked) => ensemble.labels(...asked),
      labelBlocks,
      cache: true,
    });
    const get = async (id: number) => (await labels.get(Uint32Array.of(id), samples(id), 0)).get('T=4');
    for (const id of [1, 1100, 1530, 1, 1100, 1530]) expect(await get(id)).toEqual(labelOf(id));
    expect(ensemble.asked).toEqual([[1], [1100], [1530]]);
  });

  it('are asked of the others before they are computed, and offered to them after', async () => {
    const ensemble = new FakeEnsemble();
    const source = sourceOf();
    const labelBlocks = openLabelBlocks(source, { storage: null, memoryBytes: 1e9, warn: () => undefined });
    if (labelBlocks === null) throw new Error('no label blocks');
    const told: unknown[] = [];
    const shared: SharedLabels = {
      ask: async (set, wanted) => {
        told.push(['ask', set, ...wanted]);
        (await labelBlocks.open(set, 0)).add(9, labelOf(9), 0);
      },
      offer: (set, block, rows) => void told.push(['offer', set, block, [...rows]]),
      sent: async () => undefined,
      close: async () => void told.push('close'),
    };
    const labels = new Labels({
      compute: (...asked) => ensemble.labels(...asked),
      labelBlocks,
      cache: true,
      shared,
    });
    await labels.get(Uint32Array.of(9, 1502), samples(9, 1502), 0);
    await labels.get(Uint32Array.of(9), samples(9), 0);
    await labels.close();
    expect(told).toEqual([['ask', 0, [0, [9]], [2, [2]]], ['offer', 0, 2, [2]], 'close']);
    expect(ensemble.asked).toEqual([[1502]]);
  });

  it('are read of the teachers that labelled before, and computed of a new one alone', async () => {
    const storage = storageOf();
    const deep = teacherOf({ name: 'deep', files: [{ name: 'deep.onnx', sha256: 'd'.repeat(64), bytes: 9 }] });
    const of = (teachers: ReturnType<typeof teacherOf>[]): LabelSource =>
      sourceOf({ labels: { keep: 'auto' } }, {}, teachers);
    const ask = async ({ labels }: ReturnType<typeof opened>, ...ids: number[]) =>
      labels.get(Uint32Array.from(ids), samples(...ids), 0);
    const first = opened(of([teacherOf()]), storage);
    const alone = await ask(first, 3, 1510);
    await first.labels.close();
    const second = opened(of([teacherOf({ weight: 2, temperature: null }), deep]), storage);
    const both = await ask(second, 3, 7, 1510);
    expect(second.ensemble.wanted).toEqual([['teacher:wide'], ['teacher:deep']]);
    expect(second.ensemble.asked).toEqual([[7], [3, 7, 1510]]);
    expect([...both.keys()]).toEqual(['teacher:wide', 'teacher:deep']);
    const wide = [both, alone].map((found) => found.get('teacher:wide'));
    expect(wide[0]?.slice(0, 3)).toEqual(wide[1]?.slice(0, 3));
    expect(wide[0]?.slice(6)).toEqual(wide[1]?.slice(3));
    expect(second.labels.counts).toEqual({ read: 0, computed: 3 });
    await ask(second, 3, 7, 1510);
    expect(second.labels.counts).toEqual({ read: 3, computed: 3 });
  });
});
