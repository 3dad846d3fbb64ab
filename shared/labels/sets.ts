/**
 * Which labels a run wants, and under what key they are kept. A label set holds one kind of label of one view of every
 * sample; its key digests all that the labels depend on but the samples, and its blocks are named by the samples' shard
 * and their place in it. So labels outlive a shuffle, a longer data set and another student, and nothing else. Pure.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { DataSet, Manifest } from '../data/manifest.js';
import type { TeacherSpec } from '../protocol/messages.js';
import type { Recipe } from '../recipe/schema.js';
import { needsOf, temperatureOf, termsIn } from '../recipe/terms.js';
import { ensembleDigest, ensembleFormOf } from './ensemble-digest.js';
import { codecOf, type Precision, type RowCodec, type RowForm } from './precision.js';

/** Of the ensemble: its mixture at a temperature, the weighted mean of its raw logits, or each teacher's logits. */
export type LabelKind =
  | { readonly kind: 'mixture'; readonly temperature: number }
  | { readonly kind: 'logits' }
  | { readonly kind: 'teachers' };

/** `T=4`, `logits`, `teacher:NAME`: what a label is called where it is used. */
export function labelNames(kinds: readonly LabelKind[], teachers: readonly { readonly name: string }[]): string[] {
  const names = kinds.flatMap((kind) => {
    if (kind.kind === 'mixture') return [`T=${kind.temperature}`];
    return kind.kind === 'logits' ? ['logits'] : teachers.map(({ name }) => `teacher:${name}`);
  });
  return [...new Set(names)];
}

/** The kinds that a recipe's losses want, each once; none without a term on soft labels. */
export function labelKinds({ losses }: Pick<Recipe, 'losses'>): LabelKind[] {
  const kinds = termsIn(losses).flatMap((term): LabelKind[] => {
    const { soft } = needsOf(losses, term);
    if (soft !== 'mixture') return soft === null ? [] : [{ kind: soft }];
    const temperature = temperatureOf(losses, term);
    // A mixture is made at its final temperature only, so one that changes needs each teacher's logits.
    return typeof temperature === 'number' ? [{ kind: 'mixture', temperature }] : [{ kind: 'teachers' }];
  });
  return kinds.filter((kind, i) => kinds.findIndex((other) => isDeepStrictEqual(other, kind)) === i);
}

export interface LabelSet {
  /** SHA-256 of all that the labels depend on but the samples. */
  readonly key: string;
  readonly name: string;
  readonly view: number;
  readonly form: RowForm;
  readonly codec: RowCodec;
}

export interface LabelSource {
  readonly recipe: Pick<
    Recipe,
    'losses' | 'ensemble' | 'batch' | 'labels' | 'numerics' | 'seed' | 'data' | 'epochs' | 'steps'
  >;
  readonly teachers: readonly TeacherSpec[];
  readonly manifest: Pick<Manifest, 'train' | 'preprocess' | 'classes'>;
}

/** Raised whenever bytes or meaning of kept labels change. */
const formatVersion = 1;

export function precisionOf({ precision, k }: Recipe['labels']): Precision {
  return precision === 'top-k' ? { name: precision, k } : { name: precision };
}

/** Views of a sample that a run trains on, where their number is fixed: no more than it begins epochs. */
function viewsOf({ data, epochs, steps = Infinity, batch }: LabelSource['recipe'], samples: number): number {
  return Math.min(data.augment?.views ?? 1, epochs ?? Math.ceil(steps / Math.ceil(samples / batch.size)));
}

/** Whether labels can be wanted again: not of mixtures, nor of views that no other epoch has. */
export function areKept({ labels, data }: Pick<Recipe, 'labels' | 'data'>): boolean {
  return (
    labels.cache &&
    data.augment?.mixup === undefined &&
    (data.augment === undefined || data.augment.views !== undefined)
  );
}

/** Every label set of a run, view 0 first; none where no loss wants soft labels. */
export function labelSets(source: LabelSource, kinds: readonly LabelKind[] = labelKinds(source.recipe)): LabelSet[] {
  const { recipe, teachers, manifest } = source;
  if (teachers.length === 0 || recipe.labels.from !== undefined) return [];
  const common = {
    formatVersion,
    ensemble: ensembleDigest(teachers, ensembleFormOf(recipe, teachers, manifest.train.shape)),
    sample: { shape: manifest.train.shape, dtype: manifest.train.dtype },
    preprocess: manifest.preprocess,
    backend: recipe.numerics.backend,
    threads: recipe.numerics.threads,
    precision: precisionOf(recipe.labels),
    ...augmentationOf(recipe),
  };
  const names = labelNames(kinds, teachers);
  return Array.from({ length: viewsOf(recipe, manifest.train.samples) }, (_, view) =>
    names.map((name) =>
      setOf(name, view, {
        ...common,
        classes: manifest.classes,
        ...(manifest.train.positions === undefined ? {} : { positions: manifest.train.positions }),
      }),
    ),
  ).flat();
}

/** What views are made by; nothing where samples are taken as they are. */
function augmentationOf({ data: { augment }, seed }: Pick<Recipe, 'data' | 'seed'>): object {
  if (augment === undefined) return {};
  const { views: _views, ...operations } = augment;
  return { augment: operations, seed };
}

function setOf(
  name: string,
  view: number,
  common: { readonly classes: number; readonly positions?: number; readonly precision: Precision },
): LabelSet {
  const form = {
    classes: common.classes,
    ...(common.positions === undefined ? {} : { positions: common.positions }),
    isDistribution: name.startsWith('T='),
  };
  const key = createHash('sha256')
    .update(JSON.stringify({ ...common, name, view }))
    .digest('hex');
  return { key, name, view, form, codec: codecOf(common.precision, form) };
}

/** Some consecutive samples of one shard. */
export interface BlockPlace {
  /** `<shard's SHA-256>-<first row in the shard>-<rows>`. */
  readonly name: string;
  /** SHA-256 of the shard, and the row of the block's first sample there. */
  readonly shard: string;
  readonly from: number;
  /** Id of its first sample. */
  readonly first: number;
  readonly rows: number;
}

/** Bytes of a block, at most; and its rows. */
const largestBlock = { bytes: 4 * 1024 * 1024, rows: 1024 };

/** A data set cut into blocks; a shard's last block may be shorter. `locate` gives a sample's block. */
export class BlockPlan {
  readonly blocks: readonly BlockPlace[];
  readonly #firsts: Uint32Array;

  constructor(dataSet: DataSet, rowBytes: number) {
    const step = blockRows(rowBytes);
    const blocks: BlockPlace[] = [];
    let shardFirst = 0;
    for (const { sha256, samples } of dataSet.shards) {
      for (let from = 0; from < samples; from += step) {
        const rows = Math.min(step, samples - from);
        blocks.push({ name: `${sha256}-${from}-${rows}`, shard: sha256, from, first: shardFirst + from, rows });
      }
      shardFirst += samples;
    }
    this.blocks = blocks;
    this.#firsts = Uint32Array.from(blocks, ({ first }) => first);
  }

  get samples(): number {
    const last = this.blocks.at(-1);
    return last === undefined ? 0 : last.first + last.rows;
  }

  /** The place of a block. @throws RangeError for a number that is none of this plan's */
  at(block: number): BlockPlace {
    const place = this.blocks[block];
    if (place === undefined) throw new RangeError(`label block ${block} of ${this.blocks.length}`);
    return place;
  }

  /** Row of a sample in the block that holds it. */
  rowOf(id: number): number {
    return id - this.at(this.locate(id)).first;
  }

  /** Number of the block that holds a sample. */
  locate(id: number): number {
    let low = 0;
    let high = this.#firsts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#firsts[middle] ?? 0) <= id) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** A power of two, so that blocks of different runs lie alike. */
function blockRows(rowBytes: number): number {
  let rows = largestBlock.rows;
  while (rows > 16 && rows * rowBytes > largestBlock.bytes) rows /= 2;
  return rows;
}
