/** Sources as one, their samples one source after the other. Pure. */
import { counted } from '../../../shared/counted.js';
import type { UserError } from '../../../shared/errors.js';
import { elementsIn } from '../../../shared/shape.js';
import { damaged } from './file-errors.js';
import { joinedRoutes } from './route-cells.js';
import { rowsOfType, type Annotations, type Note, type Rows, type Source } from './source.js';

/**
 * Parts without samples, which programs that write many files at once leave behind, are left out where others have some.
 * @throws UserError 2 or 65 where they are not alike
 */
export function concatenate(all: readonly Source[]): Source {
  const filled = all.filter(({ samples }) => samples > 0);
  const parts = filled.length === 0 ? all : filled;
  const close = async (): Promise<void> => void (await Promise.all(all.map((part) => part.close())));
  const joined = concatenateAlike(parts);
  return {
    ...joined,
    notes: [...(joined.notes ?? []), ...emptyNotes(all, parts)],
    read: joined.read.bind(joined),
    close,
  };
}

function emptyNotes(all: readonly Source[], parts: readonly Source[]): Note[] {
  const [first, ...others] = all.filter((part) => !parts.includes(part));
  if (first === undefined) return [];
  const more = others.length === 0 ? 'it has' : `it and ${counted(others.length, 'other file')} have`;
  return [{ text: `${first.file}: left out, since ${more} no samples`, isOdd: false }];
}

function concatenateAlike(parts: readonly Source[]): Source {
  const [first, ...others] = parts;
  if (first === undefined) throw new Error('no sources to join');
  if (others.length === 0) return first;
  for (const other of others) checkAlike(first, other);
  const starts = parts.map((_, i) => parts.slice(0, i).reduce((sum, { samples }) => sum + samples, 0));
  return {
    ...first,
    file: `${first.file} and ${others.length} more`,
    samples: parts.reduce((sum, { samples }) => sum + samples, 0),
    ...joinedAnnotations(parts),
    notes: parts.flatMap(({ notes = [] }) => notes),
    read: (from, to) => readParts(parts, starts, { from, to }),
    readsOthers: () => parts.some((part) => part.readsOthers?.() === true),
    close: first.close.bind(first),
  };
}

function checkAlike(first: Source, other: Source): void {
  const wrong = (what: string, own: unknown, wanted: unknown): UserError =>
    damaged(other.file, `${what} ${String(own)}; ${String(wanted)} was wanted, as in ${first.file}`);
  if (first.shape.join() !== other.shape.join())
    throw wrong('samples of', `[${other.shape.join(', ')}]`, `[${first.shape.join(', ')}]`);
  if (first.dtype !== other.dtype) throw wrong('values of', other.dtype, first.dtype);
  const namesOf = ({ parts }: Source): string | undefined => parts?.map(({ name }) => name).join(', ');
  if (namesOf(first) !== namesOf(other)) throw wrong('columns', namesOf(other), namesOf(first));
  if (first.positions !== other.positions)
    throw wrong('positions:', other.positions ?? 'none', first.positions ?? 'none');
  if (first.targets?.width !== other.targets?.width)
    throw wrong('numbers of a target:', other.targets?.width ?? 'none', first.targets?.width ?? 'none');
}

async function readParts(
  parts: readonly Source[],
  starts: readonly number[],
  { from, to }: { readonly from: number; readonly to: number },
): Promise<Rows> {
  const [{ dtype, shape } = { dtype: 'float32' as const, shape: [] }] = parts;
  const size = elementsIn(shape);
  const out = rowsOfType(dtype, (to - from) * size);
  for (const [i, part] of parts.entries()) {
    const start = starts[i] ?? 0;
    const [own, end] = [Math.max(from, start), Math.min(to, start + part.samples)];
    if (own < end) out.set(await part.read(own - start, end - start), (own - from) * size);
  }
  return out;
}

function joinedAnnotations(parts: readonly Source[]): Annotations & Pick<Source, 'classNames' | 'classes'> {
  const [first] = parts;
  const { labels, classNames } = joinedLabels(parts);
  const isWeighted = parts.some(({ weights }) => weights !== undefined);
  const targets = first?.targets;
  const classes = parts.flatMap((part) => (part.classes === undefined ? [] : [part.classes]));
  return {
    labels,
    classNames,
    classes: classes.length === 0 ? undefined : Math.max(...classes),
    positions: first?.positions,
    routes: joinedRoutes(parts.map(({ routes }) => routes)),
    weights: isWeighted
      ? joined(
          Float32Array,
          parts.map((part) => part.weights ?? new Float32Array(part.labels.length).fill(1)),
        )
      : undefined,
    targets: targets && {
      width: targets.width,
      values: joined(
        Float32Array,
        parts.map((part) => part.targets?.values ?? new Float32Array(0)),
      ),
    },
  };
}

/** The labels of all parts, by the names of the classes where each part has its own. */
function joinedLabels(parts: readonly Source[]): Pick<Source, 'labels' | 'classNames'> {
  const labelled = parts.filter(({ labels }) => labels.some((label) => label >= 0));
  const named = labelled.find(({ classNames }) => classNames !== undefined);
  const all = parts.map(({ labels }) => labels);
  if (named === undefined) return { labels: joined(Int32Array, all), classNames: parts[0]?.classNames };
  const numbered = labelled.find(({ classNames }) => classNames === undefined);
  if (numbered !== undefined) throw damaged(numbered.file, `labels by number; by name was wanted, as in ${named.file}`);
  const isOne = labelled.every(({ classNames }) => classNames?.join('\n') === named.classNames?.join('\n'));
  if (isOne) return { labels: joined(Int32Array, all), classNames: named.classNames };
  const names = [...new Set(labelled.flatMap(({ classNames = [] }) => classNames))].sort();
  const renumbered = parts.map(({ labels, classNames = [] }) =>
    labels.map((label) => (label < 0 ? label : names.indexOf(classNames[label] ?? ''))),
  );
  return { labels: joined(Int32Array, renumbered), classNames: names };
}

function joined<T extends Int32Array | Float32Array>(type: new (length: number) => T, parts: readonly T[]): T {
  const out = new type(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
