/**
 * Which labels a run wants, and under what key they are kept. A label set holds one kind of label of one view of every
 * sample; its key digests all that the labels depend on but the samples, and its blocks are named by the samples' shard
 * and their place in it. So labels outlive a shuffle, a longer data set and another student, and nothing else. Pure.
 */
import type { Manifest } from '../data/manifest.js';
import type { TeacherSpec } from '../protocol/messages.js';
import type { Recipe } from '../recipe/schema.js';
import { sha256Of } from '../sha256.js';
import { ensembleDigest, ensembleFormOf } from './ensemble-digest.js';
import { labelKey, labelKinds, labelsOf, type Label, type LabelKind } from './kinds.js';
import { codecOf, type Precision, type RowCodec, type RowForm } from './precision.js';

/** One kind of label of one view of every sample. */
export interface LabelSet {
  /** SHA-256 of all that the labels depend on but the samples. */
  readonly key: string;
  readonly label: Label;
  /** The label's key, for maps and messages. */
  readonly name: string;
  /** Number of the augmentation that the samples are looked at through. */
  readonly view: number;
  readonly form: RowForm;
  readonly codec: RowCodec;
}

/** What a run's labels follow from. */
export interface LabelSource {
  readonly recipe: Pick<
    Recipe,
    'losses' | 'ensemble' | 'batch' | 'labels' | 'numerics' | 'seed' | 'data' | 'epochs' | 'steps'
  >;
  readonly teachers: readonly TeacherSpec[];
  readonly manifest: Pick<Manifest, 'train' | 'preprocess' | 'classes'>;
}

/** The version of what is kept. It is raised whenever the bytes or the meaning of kept labels change. */
const formatVersion = 1;

/** How exactly the recipe wants labels kept. */
export function precisionOf({ precision, k }: Recipe['labels']): Precision {
  return precision === 'top-k' ? { name: precision, k } : { name: precision };
}

/** How many views of each sample a run trains on, where their number is fixed: no more than it begins epochs. */
function viewsOf({ data, epochs, steps = Infinity, batch }: LabelSource['recipe'], samples: number): number {
  return Math.min(data.augment?.views ?? 1, epochs ?? Math.ceil(steps / Math.ceil(samples / batch.size)));
}

/**
 * Whether labels are kept: where the recipe wants it, and they can be wanted again. Labels of mixed samples cannot, nor
 * those of views that no other epoch has.
 */
export function areKept({ labels, data }: Pick<Recipe, 'labels' | 'data'>): boolean {
  return (
    labels.cache &&
    data.augment?.mixup === undefined &&
    (data.augment === undefined || data.augment.views !== undefined)
  );
}

/** Every label set of a run, those of view 0 first; none where no loss wants soft labels. */
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
  const labels = labelsOf(kinds, teachers);
  return Array.from({ length: viewsOf(recipe, manifest.train.samples) }, (_, view) =>
    labels.map((label) =>
      setOf(label, view, {
        ...common,
        classes: manifest.classes,
        ...(manifest.train.positions === undefined ? {} : { positions: manifest.train.positions }),
      }),
    ),
  ).flat();
}

/** What the key of a label set says of how views are made; nothing where samples are taken as they are. */
function augmentationOf({ data: { augment }, seed }: Pick<Recipe, 'data' | 'seed'>): object {
  if (augment === undefined) return {};
  const { views: _views, ...operations } = augment;
  return { augment: operations, seed };
}

function setOf(
  label: Label,
  view: number,
  common: { readonly classes: number; readonly positions?: number; readonly precision: Precision },
): LabelSet {
  const form = {
    classes: common.classes,
    ...(common.positions === undefined ? {} : { positions: common.positions }),
    isDistribution: label.kind === 'mixture',
  };
  const name = labelKey(label);
  const key = sha256Of(JSON.stringify({ ...common, name, view }));
  return { key, label, name, view, form, codec: codecOf(common.precision, form) };
}
