/**
 * Which labels a run wants, and under what key they are kept. A label set holds one kind of label of one view of every
 * sample; its key digests all that the labels depend on but the samples, and its blocks are named by the samples' shard
 * and their place in it. So labels outlive a shuffle, a longer data set and another student, and nothing else. Pure.
 */
import type { Manifest } from '../data/manifest.js';
import type { Routes } from '../data/routes.js';
import type { TeacherSpec } from '../protocol/messages.js';
import type { Recipe } from '../recipe/schema.js';
import { mustAt } from '../must.js';
import { sha256Of } from '../sha256.js';
import { ensembleDigest, ensembleFormOf, teacherDigest, type EnsembleForm } from './ensemble-digest.js';
import { keptKinds, labelKey, labelsOf, type Label, type LabelKind } from './kinds.js';
import { codecOf, type Precision, type RowForm } from './precision.js';
import type { RowCodec } from './row-codec.js';

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
  /** Who labels each training sample; null or absent where all teachers do. */
  readonly routes?: Routes | null | undefined;
}

/** The version of what is kept. It is raised whenever the bytes or the meaning of kept labels change. */
const formatVersions = { float32: 1, float16: 1, 'top-k': 2 } as const;

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
export function labelSets(source: LabelSource, kinds: readonly LabelKind[] = keptKindsOf(source)): LabelSet[] {
  const { recipe, teachers, manifest } = source;
  if (teachers.length === 0 || recipe.labels.from !== undefined) return [];
  const made = makersOf(teachers, ensembleFormOf(recipe, teachers, manifest.train.shape));
  const common = {
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
        formatVersion: formatVersions[common.precision.name],
        ...made(label),
        ...(label.kind === 'teacher' ? {} : routesOf(manifest.train)),
        ...common,
        classes: manifest.classes,
        ...(manifest.train.positions === undefined ? {} : { positions: manifest.train.positions }),
      }),
    ),
  ).flat();
}

/** What the key of a mixture says of which teachers label which samples; nothing where all label all. */
function routesOf({ routes }: Manifest['train']): object {
  return routes === undefined ? {} : { routes: { of: routes.sha256, teachers: routes.teachers } };
}

/** What the key of a label set says of how views are made; nothing where samples are taken as they are. */
function augmentationOf({ data: { augment }, seed }: Pick<Recipe, 'data' | 'seed'>): object {
  if (augment === undefined) return {};
  const { views: _views, ...operations } = augment;
  return { augment: operations, seed };
}

/** What the losses of a run want kept. */
function keptKindsOf({ recipe, teachers, manifest: { classes, train } }: LabelSource): LabelKind[] {
  return keptKinds(recipe, teachers, classes * (train.positions ?? 1));
}

/** Who made a label, as its key says it. */
type Maker =
  | { readonly ensemble: string }
  /** Its digest, and its place among teachers of the same one. */
  | { readonly teacher: string; readonly among: number };

function makersOf(teachers: readonly TeacherSpec[], form: EnsembleForm): (label: Label) => Maker {
  const digests = teachers.map((teacher) => teacherDigest(teacher, form));
  const ensemble = ensembleDigest(teachers, form);
  return (label) => {
    if (label.kind !== 'teacher') return { ensemble };
    const at = teachers.findIndex(({ name }) => name === label.teacher);
    const teacher = mustAt(digests, at, 'teacher');
    return { teacher, among: digests.slice(0, at).filter((other) => other === teacher).length };
  };
}

/** What the key of a label set digests beside who made the label; the form of its rows follows from some of it. */
interface KeyParts {
  readonly formatVersion: number;
  readonly classes: number;
  readonly positions?: number;
  readonly precision: Precision;
}

function setOf(label: Label, view: number, common: KeyParts & Maker): LabelSet {
  const form = {
    classes: common.classes,
    ...(common.positions === undefined ? {} : { positions: common.positions }),
    isDistribution: label.kind === 'mixture',
  };
  const name = labelKey(label);
  // A teacher's logits are the same under any name.
  const named = label.kind === 'teacher' ? {} : { name };
  const key = sha256Of(JSON.stringify({ ...common, ...named, view }));
  return { key, label, name, view, form, codec: codecOf(common.precision, form) };
}
