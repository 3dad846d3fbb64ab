/**
 * The seam between data sets and the formats in which users keep them: a `Source` is a data set as it lies on the
 * user's disk, and a `SourceFormat` opens one. Adding a format takes one file with its `SourceFormat`, one line in
 * list.ts, and its keys in the recipe's schema.
 */
import type { SourceRecipe } from '../../../shared/recipe/schema.js';
import type { Task } from '../../../shared/task.js';
import type { Spool } from './spool.js';

/** Elements of samples, one sample after the other. */
export type Rows = Uint8Array | Int32Array | Float32Array;

/** Zeros of a source's type. */
export function rowsOfType(dtype: Source['dtype'], length: number): Rows {
  if (dtype === 'uint8') return new Uint8Array(length);
  return dtype === 'int32' ? new Int32Array(length) : new Float32Array(length);
}

/** Target vectors, one for each sample. */
export interface SampleTargets {
  /** Numbers of one vector. */
  readonly width: number;
  /** [samples x width]; zeros for a sample without a target. */
  readonly values: Float32Array;
}

/** What a column says of who labels each sample. */
export interface SampleRoutes {
  /** What the column holds, each text once. */
  readonly values: readonly string[];
  /** [samples] places among the values; -1 where the column says nothing. */
  readonly of: Int32Array;
}

/** A part of a sample with a name of its own: a column of a table, or an array. */
export interface Part {
  readonly name: string;
  /** Channels last; [1] of a single number. */
  readonly shape: readonly number[];
  /** What stands behind the end of its lists, which were of different lengths; absent: nothing. */
  readonly padding?: number;
}

/** Whether two sources have the same parts in another order, which models that take them by their places would mix up. */
export function areReordered(one: Pick<Source, 'parts'>, other: Pick<Source, 'parts'>): boolean {
  const names = ({ parts = [] }: Pick<Source, 'parts'>): string[] => parts.map(({ name }) => name);
  return (
    names(one).join('\n') !== names(other).join('\n') && names(one).sort().join('\n') === names(other).sort().join('\n')
  );
}

/** A column that the two pad with different numbers, which the mask of one would take for something else; null for none. */
export function paddedOtherwise(one: Pick<Source, 'parts'>, other: Pick<Source, 'parts'>): string | null {
  const own = new Map((one.parts ?? []).map(({ name, padding }) => [name, padding]));
  const found = (other.parts ?? []).find(
    ({ name, padding }) => padding !== undefined && own.has(name) && own.get(name) !== padding,
  );
  return found?.name ?? null;
}

/** What the user should know of how a source was read. */
export interface Note {
  /** A line that begins with the source's file. */
  readonly text: string;
  /** Whether it is a warning; else it says what was chosen. */
  readonly isOdd: boolean;
}

/** What is known of the samples beside their inputs. */
export interface Annotations {
  /** [samples], or [samples x positions]; -1 for none. Where samples have targets: 0 for one that has, -1 for none. */
  readonly labels: Int32Array;
  /** Absent: samples have classes. */
  readonly targets?: SampleTargets | undefined;
  /** Number of positions of a sequence, each of which has a label. Absent: samples are no such sequences. */
  readonly positions?: number | undefined;
  /** Weights of at least 0 in the shape of the labels, 0 at positions that do not count; absent where all are 1. */
  readonly weights?: Float32Array | undefined;
  /** What `ensemble.route.column` says; absent: the recipe has none. */
  readonly routes?: SampleRoutes | undefined;
}

/** A data set as it lies on the user's disk. Annotations are in memory; inputs are read when they are asked for. */
export interface Source extends Annotations {
  /** What error messages call it: the file or folder of the inputs. */
  readonly file: string;
  readonly samples: number;
  /** Shape of one sample, channels last. */
  readonly shape: readonly number[];
  readonly dtype: 'uint8' | 'int32' | 'float32';
  /** Names by class number, where the format knows them. */
  readonly classNames?: readonly string[] | undefined;
  /** The number of classes, where the format tells without names. */
  readonly classes?: number | undefined;
  /** What a sample's numbers are, one part after the other; absent where they have no names. */
  readonly parts?: readonly Part[] | undefined;
  /** What was left out or chosen; absent: nothing to tell. */
  readonly notes?: readonly Note[] | undefined;
  /**
   * Reads the samples [from, to). Any range may be asked for, in any order, and gives what reading all would give.
   * @throws UserError 65 for samples that cannot be used
   */
  read(from: number, to: number): Promise<Rows>;
  /** Whether files were read that the recipe does not name, so far. Absent: none are. */
  readsOthers?(): boolean;
  close(): Promise<void>;
}

/** A file without samples, which tells nothing of what samples would be. */
export function emptySource(file: string): Source {
  return {
    file,
    samples: 0,
    shape: [0],
    dtype: 'float32',
    labels: new Int32Array(0),
    read: async () => new Float32Array(0),
    close: async () => undefined,
  };
}

export type FormatName = SourceRecipe['format'];

/** The part of the recipe that describes a source of that format. */
export type FormatRecipe<F extends FormatName> = Extract<SourceRecipe, { format: F }>;

/** What a source needs to know of the recipe around it. */
export interface SourceContext {
  /** Makes a path of the recipe one of this machine. */
  readonly path: (name: string) => string;
  /** Names by class number, for formats that name classes. */
  readonly classNames: readonly string[] | undefined;
  /** What samples are to be told; undefined where that is not known. */
  readonly task?: Task | undefined;
  /** The column that says who labels a sample, which is none of the inputs; undefined: there is none. */
  readonly routeColumn?: string | number | undefined;
  /** Whether files of the source came from another machine, so that paths in them name no files of this one. */
  readonly isFetched?: boolean;
  /** Where inputs go that cannot be read by range as they lie in their files. */
  readonly spool: Spool;
}

/** The files and folders that a recipe names, by the keys under which it names them. */
export type FilesByKey = Readonly<Partial<Record<string, string | readonly string[]>>>;

export interface SourceFormat<F extends FormatName> {
  files(recipe: FormatRecipe<F>): FilesByKey;
  /** @throws UserError 2 for a missing file, 65 for one that is damaged or does not hold what the recipe says */
  open(recipe: FormatRecipe<F>, context: SourceContext): Promise<Source>;
}
