/**
 * WebDataset: tar archives in which the files that follow each other under one base name are a sample. An archive's headers
 * are read once; images and arrays are read by range when they are asked for. Format: WebDataset's documentation.
 */
import { extname } from 'node:path';
import { counted } from '../../../shared/counted.js';
import { parseJson } from '../../../shared/json.js';
import { elementsIn } from '../../../shared/shape.js';
import { toLabels } from './annotations.js';
import { toRows } from './arrays.js';
import { damaged } from './file-errors.js';
import { depthNotes, readImages } from './folder.js';
import { imageEndings, openDecoder } from './image-decoder.js';
import { openEach } from './input-files.js';
import { classNotes, LabelNames } from './label-names.js';
import { RouteCells } from './route-cells.js';
import { readNpy } from './npy-array.js';
import { bytesIn, openRanged, type RangedBytes } from './ranged-bytes.js';
import {
  emptySource,
  rowsOfType,
  type FormatRecipe,
  type Note,
  type Source,
  type SourceContext,
  type SourceFormat,
} from './source.js';
import { tarMembers, type TarMember } from './tar.js';

const endings = ['.tar', '.tar.gz', '.tgz'];

type WebDatasetRecipe = FormatRecipe<'webdataset'>;

export const webdataset: SourceFormat<'webdataset'> = {
  files: ({ inputs }) => ({ inputs }),
  open: (recipe, context) =>
    openEach({ inputs: recipe.inputs, endings, path: context.path }, (file) => openArchive(file, recipe, context)),
};

/** A file of a sample. */
type Place = Pick<TarMember, 'offset' | 'sizeBytes'>;

/** The files of a sample, by what their names have behind the base name's dot, in small letters. */
interface TarSample {
  readonly name: string;
  readonly members: ReadonlyMap<string, Place>;
}

async function openArchive(path: string, recipe: WebDatasetRecipe, context: SourceContext): Promise<Source> {
  const archive = await openRanged(path, context.spool);
  const samples = samplesIn(path, tarMembers(path, archive));
  if (samples.length === 0) return emptySource(path);
  const member = memberOf(path, recipe, samples);
  const places = samples.map(({ name, members }) => {
    const found = [...members].filter(([ending]) => member.isOne(ending)).map(([ending, place]) => ({ ending, place }));
    const [only, another] = found;
    if (only === undefined || another !== undefined)
      throw damaged(
        path,
        `sample ${name} has ${found.map(({ ending }) => `.${ending}`).join(' and ') || `no ${member.text}`}; one ${member.text} was wanted${another === undefined ? '' : ' (member names it)'}`,
      );
    return { name: `${path}: ${name}.${only.ending}`, ...only };
  });
  const labels = labelsOf(path, recipe, { archive, samples, classNames: context.classNames });
  const routes = routesOf(path, context.routeColumn, { archive, samples });
  const named = [labels.ending, routes?.ending].flatMap((ending) => ending ?? []);
  const used = new Set([...places.map(({ ending }) => ending), ...named]);
  const inputs = await (member.isArray ? arraysOf(path, archive, places) : imagesOf(path, recipe, { archive, places }));
  return {
    file: path,
    samples: samples.length,
    ...inputs,
    labels: labels.labels,
    classNames: labels.classNames,
    routes: routes?.cells.routes(),
    notes: [...passedOver(path, samples, used), ...labels.notes, ...(inputs.notes ?? [])],
    close: async () => undefined,
  };
}

/** Files that follow each other under one base name: what stands before the first dot of the name in its folder. */
function samplesIn(path: string, members: readonly TarMember[]): TarSample[] {
  const samples: { name: string; members: Map<string, Place> }[] = [];
  for (const { name, offset, sizeBytes } of members) {
    const file = name.slice(name.lastIndexOf('/') + 1);
    const dot = file.indexOf('.');
    // WebDataset's own notes begin with __, and hidden files with a dot.
    if (dot <= 0 || file.startsWith('__')) continue;
    const ending = file.slice(dot + 1).toLowerCase();
    const base = name.slice(0, name.length - file.length + dot);
    let sample = samples.at(-1);
    if (sample?.name !== base) samples.push((sample = { name: base, members: new Map() }));
    if (sample.members.has(ending))
      throw damaged(path, `${name} is there twice in one sample; one of each name was wanted`);
    sample.members.set(ending, { offset, sizeBytes });
  }
  return samples;
}

/** Which files are the inputs. */
interface InputMember {
  readonly isOne: (ending: string) => boolean;
  readonly isArray: boolean;
  /** What errors call it. */
  readonly text: string;
}

const isImage = (ending: string): boolean => imageEndings.has(extname(`.${ending}`).toLowerCase() || `.${ending}`);
const isArray = (ending: string): boolean => ending === 'npy' || ending.endsWith('.npy');

/** The member that the recipe names, or the images, or arrays where the first sample has no image. */
function memberOf(path: string, { member }: WebDatasetRecipe, [first]: readonly TarSample[]): InputMember {
  if (member !== undefined) {
    const wanted = member.toLowerCase().replace(/^\./, '');
    if (!isArray(wanted) && !isImage(wanted))
      throw damaged(path, `member ${member}; one that ends as an image does, or in npy, was wanted`);
    return { isOne: (ending) => ending === wanted, isArray: isArray(wanted), text: `.${wanted}` };
  }
  const names = [...(first?.members.keys() ?? [])];
  if (names.some(isImage) || !names.some(isArray)) return { isOne: isImage, isArray: false, text: 'image' };
  return { isOne: isArray, isArray: true, text: 'array (.npy)' };
}

interface NamedPlace {
  /** What errors call it. */
  readonly name: string;
  readonly place: Place;
}

interface Archived {
  readonly archive: RangedBytes;
  readonly places: readonly NamedPlace[];
}

const bytesAt = (archive: RangedBytes, { offset, sizeBytes }: Place): Buffer =>
  bytesIn(archive, offset, offset + sizeBytes);

type Inputs = Pick<Source, 'shape' | 'dtype' | 'read' | 'notes'>;

async function imagesOf(path: string, recipe: WebDatasetRecipe, { archive, places }: Archived): Promise<Inputs> {
  const decode = await openDecoder(recipe);
  const images = places.map(({ name, place }) => ({ name, from: () => bytesAt(archive, place) }));
  const like = images[0] === undefined ? null : await decode(images[0]);
  return {
    shape: like?.shape ?? [0, 0, 0],
    dtype: like?.pixels instanceof Int32Array ? 'int32' : 'uint8',
    notes: depthNotes(path, like),
    read: async (from, to) => (like === null ? new Uint8Array(0) : readImages(images.slice(from, to), like, decode)),
  };
}

async function arraysOf(path: string, archive: RangedBytes, places: readonly NamedPlace[]): Promise<Inputs> {
  const read = async ({
    name,
    place,
  }: NamedPlace): Promise<Pick<Source, 'shape' | 'dtype'> & { rows: Source['labels'] | Uint8Array | Float32Array }> => {
    const { dims, data } = await readNpy(name, { sizeBytes: place.sizeBytes, pieces: [bytesAt(archive, place)] });
    const rows = toRows(name, data, 0);
    const dtype = rows instanceof Uint8Array ? 'uint8' : rows instanceof Int32Array ? 'int32' : 'float32';
    return { shape: dims.length === 0 ? [1] : dims, dtype, rows };
  };
  const [first] = places;
  if (first === undefined) throw damaged(path, 'no samples; some were wanted');
  const { shape, dtype } = await read(first);
  const size = elementsIn(shape);
  return {
    shape,
    dtype,
    read: async (from, to) => {
      const out = rowsOfType(dtype, (to - from) * size);
      for (const [i, place] of places.slice(from, to).entries()) {
        const own = await read(place);
        if (own.shape.join() !== shape.join() || own.dtype !== dtype)
          throw damaged(
            place.name,
            `${own.dtype} of [${own.shape.join(', ')}]; ${dtype} of [${shape.join(', ')}] was wanted, as of the first`,
          );
        out.set(own.rows, i * size);
      }
      return out;
    },
  };
}

interface Labelled extends Pick<Source, 'labels' | 'classNames'> {
  /** The files that they are from; null where the recipe names none. */
  readonly ending: string | null;
  readonly notes: readonly Note[];
}

interface Labelling extends Pick<SourceContext, 'classNames'> {
  readonly archive: RangedBytes;
  readonly samples: readonly TarSample[];
}

/** Labels from `cls`, or from a key of `json`. A sample without the file has none. */
function labelsOf(path: string, recipe: WebDatasetRecipe, { classNames, ...archived }: Labelling): Labelled {
  const { samples } = archived;
  if (recipe.labels === undefined)
    return { labels: new Int32Array(samples.length).fill(-1), classNames: undefined, ending: null, notes: [] };
  const [ending = ''] = recipe.labels.split('#');
  const names = new LabelNames(path, classNames);
  const read = valuesOf(path, recipe.labels, { ...archived, what: 'its label' }).map(({ value, where }) =>
    names.read(value, where),
  );
  const { labels, classNames: found } = names.resolve(read);
  return { labels: toLabels(path, labels), classNames: found, ending, notes: classNotes(path, found) };
}

/** What says who labels each sample, from a file of it, or from a key of `json`; null where the recipe names none. */
function routesOf(
  path: string,
  column: string | number | undefined,
  archived: Omit<Labelling, 'classNames'>,
): { readonly cells: RouteCells; readonly ending: string } | null {
  if (column === undefined) return null;
  const cells = new RouteCells(path);
  const found = valuesOf(path, String(column), { ...archived, what: 'what its teachers are chosen by' });
  for (const { value, where } of found) cells.add(value, where);
  return { cells, ending: String(column).split('#')[0]?.toLowerCase() ?? '' };
}

/** What a file of each sample says, or one key of it (`json#KEY`); undefined for a sample without the file. */
function valuesOf(
  path: string,
  member: string,
  { archive, samples, what }: Omit<Labelling, 'classNames'> & { readonly what: string },
): { readonly value: unknown; readonly where: string }[] {
  const [ending = '', key] = member.split('#');
  let isThere = samples.length === 0;
  const found = samples.map(({ name, members }) => {
    const where = `${name}.${ending}`;
    const place = members.get(ending.toLowerCase());
    if (place === undefined) return { value: undefined, where };
    isThere = true;
    const bytes = bytesAt(archive, place);
    return { value: key === undefined ? bytes.toString('utf8') : valueIn(path, where, { bytes, key }), where };
  });
  if (!isThere) throw damaged(path, `no sample has a file .${ending}; one with ${what} was wanted`);
  return found;
}

interface KeyedText {
  readonly bytes: Buffer;
  readonly key: string;
}

/** @throws UserError 65 for a text that is no object, or has no such key */
function valueIn(path: string, where: string, { bytes, key }: KeyedText): unknown {
  const value = parseJson(bytes);
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, key))
    return (value as Readonly<Record<string, unknown>>)[key];
  throw damaged(path, `${where} is no JSON object with a key ${key}; one was wanted (null where nothing is known)`);
}

/** What is said of files of samples that nothing was made of. */
function passedOver(path: string, samples: readonly TarSample[], used: ReadonlySet<string>): Note[] {
  const counts = new Map<string, number>();
  for (const { members } of samples)
    for (const ending of members.keys()) if (!used.has(ending)) counts.set(ending, (counts.get(ending) ?? 0) + 1);
  if (counts.size === 0) return [];
  const text = [...counts].map(([ending, count]) => `${count} .${ending}`).join(', ');
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return [{ text: `${path}: passed over: ${counted(all, 'file')} of its samples (${text})`, isOdd: false }];
}
