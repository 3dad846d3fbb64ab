/**
 * Which teachers label a sample: a pure function of the recipe and of the sample's place in its shard, its view, its
 * label and what a column of the data says of it, never of its neighbours or of who asks, so that labels can be kept. Specialists: Hinton et al. 2015, section
 * 5.
 */
import { randomStream } from '../../../shared/random.js';
import type { EnsembleForm } from '../../../shared/labels/ensemble-digest.js';

/** A sample by its place in its shard, as it is looked at. */
export interface SampleView {
  /** The SHA-256 of the shard in which the sample lies. */
  readonly shard: string;
  readonly row: number;
  readonly view: number;
  /** The sample's class; -1 where it has no label. */
  readonly label: number;
  /** Names of the teachers that a column of the data chooses; absent: none does. */
  readonly teachers?: readonly string[];
}

interface Candidate {
  readonly name?: string;
  readonly weight: number;
  readonly specialist?: readonly number[] | undefined;
}

/** Indices of the teachers of one sample, ascending: those with a weight that know its class, or so many of them. */
export function teachersOf(
  { shard, row, view, label, teachers: chosen }: SampleView,
  teachers: readonly Candidate[],
  subset: EnsembleForm['subset'],
): number[] {
  const able = teachers.flatMap(({ name = '', weight, specialist }, i) =>
    weight > 0 && (specialist?.includes(label) ?? true) && (chosen?.includes(name) ?? true) ? [i] : [],
  );
  if (subset === undefined || able.length <= subset.size) return able;
  const stream = randomStream([subset.seed, 'teachers', shard, row, view]);
  const drawn: number[] = [];
  for (let n = 0; n < subset.size; n++) drawn.push(...able.splice(stream.below(able.length), 1));
  return drawn.sort((a, b) => a - b);
}
