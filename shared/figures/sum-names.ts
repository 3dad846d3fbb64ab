/**
 * The names of sums. A worker adds up numbers over samples and sends each sum under a name, `OWNER.FIELD` or a field
 * alone; the coordinator keeps the names in journal.jsonl and in the log. The files of this folder build and read such
 * names by what stands here, and no other file spells one. The names are a file format: they never change. Pure.
 */
import { exitCodes, UserError } from '../errors.js';
import type { Sums } from '../replica/reduction/contribution.js';

/** A model whose answers are judged: the student, a teacher, or the teachers together. */
export type JudgedModel = 'student' | 'ensemble' | { readonly teacher: string };

/** What a group of sums is about: a model, one label of several, or null for the samples themselves. */
export type SumOwner = JudgedModel | { readonly label: number } | null;

function nameOf(owner: SumOwner, field: string): string {
  if (owner === null) return field;
  if (typeof owner === 'string') return `${owner}.${field}`;
  return 'teacher' in owner ? `teacher.${owner.teacher}.${field}` : `label.${owner.label}.${field}`;
}

/** Sums that travel together, each with its name in the code and its name on the wire. */
export class SumGroup<Field extends string> {
  readonly #names: readonly (readonly [field: string, name: string])[];

  /** @param names by the fields' names in the code those on the wire */
  constructor(names: Readonly<Record<Field, string>>) {
    this.#names = Object.entries(names);
  }

  /** The sums under the names that they travel by, in the group's order. */
  write(owner: SumOwner, values: Readonly<Record<Field, number>>): Sums {
    const given: Readonly<Record<string, number>> = values;
    return Object.fromEntries(this.#names.map(([field, name]) => [nameOf(owner, name), valueOf(given, field)]));
  }

  /**
   * The owner's sums of this group, or null when it has none: a teacher that was dropped is not evaluated.
   * @throws UserError 65 when there are some of them only
   */
  read(sums: Sums, owner: SumOwner): Readonly<Record<Field, number>> | null {
    return this.#names.some(([, name]) => nameOf(owner, name) in sums) ? this.need(sums, owner) : null;
  }

  /** The owner's sums of this group. @throws UserError 65, naming the sum, when one is missing */
  need(sums: Sums, owner: SumOwner): Readonly<Record<Field, number>> {
    return Object.fromEntries(
      this.#names.map(([field, name]) => [field, valueOf(sums, nameOf(owner, name))]),
    ) as Record<Field, number>;
  }
}

/** @throws UserError 65: what sums are read from was written by a worker of another version, or is damaged */
function valueOf(sums: Sums, name: string): number {
  const value = sums[name];
  if (value === undefined) throw new UserError(`the sum ${name} is missing beside its others`, exitCodes.data);
  return value;
}

/** Sums of one kind whose owners are not known before: `PREFIX NAME SUFFIX`, by the name, which may have dots. */
export class SumFamily {
  readonly #prefix: string;
  readonly #suffix: string;

  constructor(prefix: string, suffix = '') {
    this.#prefix = prefix;
    this.#suffix = suffix;
  }

  write(values: Iterable<readonly [name: string | number, value: number]>): Sums {
    return Object.fromEntries([...values].map(([name, value]) => [`${this.#prefix}${name}${this.#suffix}`, value]));
  }

  /** Name and value of each, in the order of the sums. */
  read(sums: Sums): [name: string, value: number][] {
    return Object.entries(sums).flatMap(([name, value]): [string, number][] =>
      name.startsWith(this.#prefix) && name.endsWith(this.#suffix)
        ? [[name.slice(this.#prefix.length, name.length - this.#suffix.length), value]]
        : [],
    );
  }
}

const counted = new SumGroup({ samples: 'samples' });

/**
 * The count of samples (of sequences, of positions) behind the other sums: in training all of them, in an evaluation
 * those with a label.
 */
export function samplesSum(samples: number): Sums {
  return counted.write(null, { samples });
}

/** The same, read: 0 where the unit was given up, since it then has no sums at all. */
export function samplesIn(sums: Sums): number {
  return counted.read(sums, null)?.samples ?? 0;
}

const ownSamples = new SumGroup({ samples: 'samples' });

/** The count of labelled samples behind the sums of a teacher that labels some samples only. */
export function ownSamplesSum(teacher: string, samples: number): Sums {
  return ownSamples.write({ teacher }, { samples });
}

/** The same, read; undefined for a model that is judged by all samples. */
export function ownSamplesIn(sums: Sums, model: JudgedModel): number | undefined {
  return typeof model === 'string' ? undefined : ownSamples.read(sums, model)?.samples;
}

const agreed = new SumGroup({ agree: 'agree' });

/** @param agree the number of answers that a teacher and the ensemble have in common */
export function agreementSum(teacher: string, agree: number): Sums {
  return agreed.write({ teacher }, { agree });
}

/** The share of `answers` that a teacher and the ensemble have in common; undefined where that was not counted. */
export function agreementIn(sums: Sums, teacher: string, answers: number): number | undefined {
  const found = agreed.read(sums, { teacher });
  return found === null ? undefined : found.agree / answers;
}

/** `value` a sample; 0 where there is no sample. */
export function perSample(value: number, samples: number): number {
  return samples > 0 ? value / samples : 0;
}

/** All of these sums in one record. */
export function joined(...parts: readonly Sums[]): Sums {
  return Object.fromEntries(parts.flatMap((part) => Object.entries(part)));
}
