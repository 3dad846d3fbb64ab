/**
 * Keeps the labels of some samples: of so many, drawn from each class by its share, or of the first. The draw has a
 * key of its own, so that it is the same on every machine and for every seed, and labels that were kept stay valid.
 * Pure.
 */
import { counted } from '../../../shared/counted.js';
import { randomStream, shuffle } from '../../../shared/random.js';
import type { SourceRecipe } from '../../../shared/recipe/schema.js';
import type { Annotations, Note, Source } from './source.js';

type Labelled = NonNullable<SourceRecipe['labelled']>;

/** The ids of the labelled samples of each class. Samples with targets, and sequences, are all of one. */
type Groups = ReadonlyMap<number, readonly number[]>;

/**
 * Takes the labels of all samples but those that the recipe wants labelled.
 * @param source its labels are changed in place
 * @returns what the user is told of it
 */
export function keepLabels(labelled: Labelled, source: Pick<Source, 'file' | 'samples'> & Annotations): Note {
  const { file, samples, labels, positions = 1 } = source;
  const before = groupsOf(source);
  const all = count(before);
  if (typeof labelled === 'object') {
    labels.fill(-1, Math.min(labelled.first, samples) * positions);
    const text = `labels of the first ${Math.min(labelled.first, samples)} samples kept${shares(groupsOf(source))}`;
    return { text: `${file}: ${text}`, isOdd: false };
  }
  const kept = new Set(draw(before, labelled));
  for (let id = 0; id < samples; id++) if (!kept.has(id)) labels.fill(-1, id * positions, (id + 1) * positions);
  if (labelled > all)
    return { text: `${file}: labelled: ${labelled} given; all ${all} labelled samples keep their labels`, isOdd: true };
  const text = `labels of ${kept.size} of ${all} labelled samples kept, drawn${shares(groupsOf(source))}`;
  return { text: `${file}: ${text}; labelled: { first: ${labelled} } keeps those of the first`, isOdd: false };
}

function groupsOf({ samples, labels, positions = 1, targets }: Pick<Source, 'samples'> & Annotations): Groups {
  const groups = new Map<number, number[]>();
  const isClass = positions === 1 && targets === undefined;
  for (let id = 0; id < samples; id++) {
    const own = labels.subarray(id * positions, (id + 1) * positions);
    if (own.every((label) => label < 0)) continue;
    const group = isClass ? (own[0] ?? 0) : 0;
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [id]);
    else members.push(id);
  }
  return new Map([...groups].sort(([a], [b]) => a - b));
}

function count(groups: Groups): number {
  return [...groups.values()].reduce((sum, { length }) => sum + length, 0);
}

function draw(groups: Groups, wanted: number): number[] {
  const quotas = quotasOf(
    [...groups.values()].map(({ length }) => length),
    wanted,
  );
  return [...groups].flatMap(([group, ids], i) => [
    ...shuffle(Uint32Array.from(ids), randomStream(['labelled', group])).subarray(0, quotas[i]),
  ]);
}

/**
 * Shares `wanted` among groups by their sizes, by the method of the largest remainder. Where it suffices, each has one
 * at least, which the largest gives it. No group gets more than it has.
 */
function quotasOf(sizes: readonly number[], wanted: number): number[] {
  const all = sizes.reduce((sum, size) => sum + size, 0);
  if (wanted >= all) return [...sizes];
  const exact = sizes.map((size) => (wanted * size) / all);
  const quotas = exact.map(Math.floor);
  const left = wanted - quotas.reduce((sum, quota) => sum + quota, 0);
  const add = (i: number, number: number): void => void (quotas[i] = (quotas[i] ?? 0) + number);
  exact
    .map((share, i) => ({ i, remainder: share - Math.floor(share) }))
    .sort((a, b) => b.remainder - a.remainder || a.i - b.i)
    .slice(0, left)
    .forEach(({ i }) => add(i, 1));
  if (wanted < sizes.length) return quotas;
  for (let i = 0; i < quotas.length; i++) {
    if (quotas[i] !== 0) continue;
    add(quotas.indexOf(quotas.reduce((a, b) => Math.max(a, b))), -1);
    add(i, 1);
  }
  return quotas;
}

/** How many of each class there are; nothing where there is but one. */
function shares(groups: Groups): string {
  const sizes = [...groups.values()].map(({ length }) => length);
  if (sizes.length < 2) return '';
  const [least, most] = [sizes.reduce((a, b) => Math.min(a, b)), sizes.reduce((a, b) => Math.max(a, b))];
  return `, ${least === most ? least : `${least} to ${most}`} of each of ${counted(sizes.length, 'class')}`;
}
