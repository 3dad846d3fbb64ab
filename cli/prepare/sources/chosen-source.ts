/**
 * Opens a data set as the recipe chooses it: by format, the first samples alone, labels of some alone, labelled
 * samples alone, and with unlabelled samples mixed in.
 */
import { isAbsolute, join } from 'node:path';
import { bareOf } from '../remote/addresses.js';
import { isRemote } from '../remote/list.js';
import { RemoteFiles } from '../remote/remote-files.js';
import type { SourceRecipe } from '../../../shared/recipe/schema.js';
import { cacheFolder } from '../../../shared/cache-folder.js';
import { elementsIn } from '../../../shared/shape.js';
import type { Task } from '../../../shared/task.js';
import { channelsLast } from './channels-last.js';
import { interleave } from './interleave.js';
import { keepLabels } from './labelled.js';
import { filesOf, openFormat } from './list.js';
import { rowsOfType, type Annotations, type Rows, type Source } from './source.js';
import { Spool } from './spool.js';

export interface SourceOptions {
  /** By class number, for labels that are names. */
  readonly classNames?: readonly string[] | undefined;
  /** Samples without labels that are mixed in. */
  readonly unlabelled?: SourceRecipe | undefined;
  /** What samples are to be told. */
  readonly task?: Task | undefined;
  /** The column that says who labels a sample; undefined: there is none. */
  readonly routeColumn?: string | number | undefined;
  /** Where inputs go that cannot be read by range as they lie in their files; default: a folder of the user's cache. */
  readonly spoolFolder?: string | undefined;
  /** The files of other machines. Default: those that this user's cache and environment give access to. */
  readonly remote?: RemoteFiles | undefined;
}

/**
 * @param folder what the recipe's paths are relative to
 * @throws UserError 2 for a missing file or samples that cannot be mixed, 65 for a file that is damaged, 69 when the disk
 * takes no more
 */
export async function openSource(
  recipe: SourceRecipe,
  folder: string,
  { classNames, unlabelled, task, routeColumn, spoolFolder, remote = new RemoteFiles() }: SourceOptions = {},
): Promise<Source> {
  const spool = new Spool(spoolFolder ?? join(cacheFolder(), 'spool'));
  const open = async (one: SourceRecipe, names?: readonly string[]): Promise<Source> => {
    const fetched = await fetchedFiles(one, remote);
    const [path, isFetched] = [placeIn(folder, fetched), fetched.size > 0];
    return choose(
      one,
      await openFormat(one.format, one, { path, classNames: names, task, routeColumn, isFetched, spool }),
    );
  };
  try {
    const first = await open(recipe, classNames);
    const source = unlabelled === undefined ? first : interleave(first, await open(unlabelled));
    return {
      ...source,
      read: source.read.bind(source),
      close: async () => {
        await source.close();
        spool.close();
      },
    };
  } catch (error) {
    spool.close();
    throw error;
  }
}

/** What a recipe's names of files stand for on this machine. */
function placeIn(folder: string, fetched: ReadonlyMap<string, string>): (name: string) => string {
  return (name) => {
    const bare = bareOf(name);
    const file = fetched.get(bare) ?? (isAbsolute(bare) ? bare : join(folder, bare));
    return `${file}${name.slice(bare.length)}`;
  };
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

function firstOf({ labels, weights, targets, positions, routes }: Annotations, samples: number): Annotations {
  const length = samples * (positions ?? 1);
  return {
    positions,
    labels: labels.slice(0, length),
    weights: weights?.slice(0, length),
    targets: targets && { width: targets.width, values: targets.values.slice(0, samples * targets.width) },
    routes: routes && { values: routes.values, of: routes.of.slice(0, samples) },
  };
}

/** The samples that have a label, in their order, wherever they stand. */
function labelledAlone(source: Source): Source {
  const { positions = 1, labels, weights, targets, routes } = source;
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
    routes: routes && { values: routes.values, of: copyRows(routes.of, ids, new Int32Array(ids.length)) },
    read: (from, to) => readAt(source, ids.subarray(from, to)),
  };
}

/** @param out [ids x width] */
function copyRows<T extends Float32Array | Int32Array>(values: T, ids: Uint32Array, out: T): T {
  const width = out.length / ids.length;
  ids.forEach((id, row) => out.set(values.subarray(id * width, (id + 1) * width), row * width));
  return out;
}

/**
 * Reads samples by stretches of no more samples than are wanted, however far apart those lie.
 * @param ids in increasing order
 */
async function readAt(source: Source, ids: Uint32Array): Promise<Rows> {
  const size = elementsIn(source.shape);
  const rows = rowsOfType(source.dtype, ids.length * size);
  for (let at = 0; at < ids.length;) {
    const first = ids[at] ?? 0;
    const rest = ids.subarray(at);
    const beyond = rest.findIndex((id) => id >= first + ids.length);
    const own = beyond < 0 ? rest : rest.subarray(0, beyond);
    const found = await source.read(first, (own.at(-1) ?? first) + 1);
    for (const id of own) rows.set(found.subarray((id - first) * size, (id - first + 1) * size), size * at++);
  }
  return rows;
}
