/** Which teachers label each sample of a data set, where a column of the data chooses them (`ensemble.route`). */
import { readFile } from 'node:fs/promises';
import { exitCodes, UserError } from '../errors.js';
import { mustAt } from '../must.js';
import type { DataSet } from './manifest.js';

export class Routes {
  /** Names of the teachers that label a sample together, by the group's number. */
  readonly groups: readonly (readonly string[])[];
  readonly #of: Uint8Array;

  /** @param of [samples] numbers of groups */
  constructor(groups: readonly (readonly string[])[], of: Uint8Array) {
    this.groups = groups;
    this.#of = of;
  }

  /** Names of the teachers that label a sample. */
  at(id: number): readonly string[] {
    return mustAt(this.groups, this.#of[id] ?? -1, 'group of teachers');
  }

  /** The same of several samples. Samples of one group have the same array. */
  of(ids: Uint32Array): (readonly string[])[] {
    return Array.from(ids, (id) => this.at(id));
  }
}

/**
 * Reads the routes of a data set; null where all teachers label all samples.
 * @param fetch gives the path of an artifact on this machine
 * @throws UserError 65 for a file that is not of this data set
 */
export async function openRoutes(
  { routes, samples }: Pick<DataSet, 'routes' | 'samples'>,
  fetch: (sha256: string) => Promise<string>,
): Promise<Routes | null> {
  if (routes === undefined) return null;
  const of = await readFile(await fetch(routes.sha256));
  if (of.length !== samples || of.some((group) => group >= routes.teachers.length))
    throw new UserError(
      `routes ${routes.sha256}: ${of.length} of them; one of ${routes.teachers.length} groups for each of ${samples} samples wanted`,
      exitCodes.data,
    );
  return new Routes(routes.teachers, of);
}
