/**
 * Opens a data set as the recipe chooses it: by format, the first samples alone, labels of some alone, labelled
 * samples alone, and with unlabelled samples mixed in.
 */
import { isAbsolute, join } from 'node:path';
import { bareOf } from '../remote/addresses.js';
import { isRemote } from '../remote/list.js';
import { RemoteFiles } from '../remote/remote-files.js';
import type { SourceRecipe } from '../../../shared/recipe/schema.js';
import { elementsIn } from '../../../shared/shape.js';
import type { Task } from '../../../shared/task.js';
import { channelsLast } from './channels-last.js';
import { interleave } from './interleave.js';
import { keepLabels } from './labelled.js';
import { filesOf, openFormat } from './list.js';
import type { Annotations, Rows, Source } from './source.js';

export interface SourceOptions {
  /** By class number, for labels that are names. */
  readonly classNames?: readonly string[] | undefined;
  /** Samples without labels that are mixed in. */
  readonly unlabelled?: SourceRecipe | undefined;
  /** What samples are to be told. */
  readonly task?: Task | undefined;
  /** The files of other machines. Default: those that this user's cache and environment give access to. */
  readonly remote?: RemoteFiles | undefined;
}

/**
 * @param folder what the recipe's paths are relative to
 * @throws UserError 2 for a missing file or samples that cannot be mixed, 65 for a file that is damaged
 */
export async function openSource(
  recipe: SourceRecipe,
  folder: string,
  { classNames, unlabelled, task, remote = new RemoteFiles() }: SourceOptions = {},
): Promise<Source> {
  const open = async (one: SourceRecipe, names?: readonly string[]): Promise<Source> => {
    const fetched = await fetchedFiles(one, remote);
    const path = (name: string): string => {
      const bare = bareOf(name);
      const file = fetched.get(bare) ?? (isAbsolute(bare) ? bare : join(folder, bare));
      return `${file}${name.slice(bare.length)}`;
    };
    return choose(one, await openFormat(one.format, one, { path, classNames: names, task }));
  };
  const source = await open(recipe, classNames);
  return unlabelled === undefined ? source : interleave(source, await open(unlabelled));
}

/** The files of other machines that a source names, as files of this one. @throws as `RemoteFiles.local` */
async function fetchedFiles(recipe: SourceRecipe, remote: RemoteFiles): Promise<Map<string, string>> {
  const names = Object.values(filesOf(recipe.format, recipe)).flatMap((named) => [named ?? []].flat());
  return new Map(
    await Promise.all(names.filter(isRemote).map(async (name) => [name, await remote.local(name)] as const)),
  );
}

function choose(recipe: SourceRecipe, found: Source): Source {
  const { limit, labelled, onlyLabelled } = recipe;
  const source = 'layout' in recipe && recipe.layout === 'nchw' ? channelsLast(found) : found;
  const samples = Math.min(source.samples, limit ?? source.samples);
  const annotations = firstOf(source, samples);
  const notes = [...(source.notes ?? [])];
  if (labelled !== undefined) notes.push(keepLabels(labelled, { file: source.file, samples, ...annotations }));
  const chosen: Source = {
    ...source,
    ...annotations,
    samples,
    notes,
    read: source.read.bind(source),
    close: source.close.bind(source),
  };
  return onlyLabelled === true ? labelledAlone(chosen) : chosen;
}

function firstOf({ labels, weights, targets, positions }: Annotations, samples: number): Annotations {
  const length = samples * (positions ?? 1);
  return {
    positions,
    labels: labels.slice(0, length),
    weights: weights?.slice(0, length),
    targets: targets && { width: targets.width, values: targets.values.slice(0, samples * targets.width) },
  };
}

/** The samples that have a label, in their order, wherever they stand. */
function labelledAlone(source: Source): Source {
  const { positions = 1, labels, weights, targets } = source;
  const ids = Uint32Array.from(
    Array.from({ length: source.samples }, (_, id) => id).filter((id) =>
      labels.subarray(id * positions, (id + 1) * positions).some((label) => label >= 0),
    ),
  );
  const floats = (values: Float32Array, width: number): Float32Array =>
    copyRows(values, ids, new Float32Array(ids.length * width));
  return {
    ...source,
    samples: ids.length,
    labels: copyRows(labels, ids, new Int32Array(ids.length * positions)),
    weights: weights && floats(weights, positions),
    targets: targets && { width: targets.width, values: floats(targets.values, targets.width) },
    read: (from, to) => readAt(source, ids.subarray(from, to)),
  };
}

/** @param out [ids x width] */
function copyRows<T extends Float32Array | Int32Array>(values: T, ids: Uint32Array, out: T): T {
  const width = out.length / ids.length;
  ids.forEach((id, row) => out.set(values.subarray(id * width, (id + 1) * width), row * width));
  return out;
}

/** @param ids in increasing order */
async function readAt(source: Source, ids: Uint32Array): Promise<Rows> {
  const first = ids[0] ?? 0;
  const size = elementsIn(source.shape);
  const all = await source.read(first, (ids.at(-1) ?? first - 1) + 1);
  const rows = all.slice(0, ids.length * size);
  ids.forEach((id, row) => rows.set(all.subarray((id - first) * size, (id - first + 1) * size), row * size));
  return rows;
}
