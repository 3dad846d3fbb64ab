/** Remote names with braces, such as `s3://bucket/train-{0000..0146}.tar`: each is listed, and all are one pattern. */
import PQueue from 'p-queue';
import { UserError } from '../../../shared/errors.js';
import { cutPattern, decoded, isPattern, namesIn, placeIn } from './addresses.js';
import type { RemoteListing, RemoteObject, RemoteStore } from './remote-store.js';

/** Names that are asked for at a time. */
const atOnce = 8;

/**
 * What a name stands for, with braces or without.
 * @returns null where nothing has a name without braces
 * @throws UserError 2 where one of several is not there, or they are of several repositories; else as the store's `list`
 */
export async function listNames(store: Pick<RemoteStore, 'list'>, name: string): Promise<RemoteListing | null> {
  const names = namesIn(name);
  if (names.length === 1 && names[0] === name) return store.list(name);
  const found = await new PQueue({ concurrency: atOnce }).addAll(
    names.map((one) => async () => {
      const listing = await store.list(one);
      if (listing === null) throw new UserError(`${one}: there is no such file; one that is there was wanted`);
      return { one, listing };
    }),
  );
  const folder = folderOf(name);
  const objects = found.flatMap(({ one, listing }) => objectsBelow(folder, one, listing));
  const cut = name.search(special);
  const starts = new Set(found.map(({ one, listing: { address } }) => startOf(address, one.slice(cut))));
  const [start] = starts;
  if (start === undefined || start === null || starts.size > 1)
    throw new UserError(`${name}: braces for several repositories or revisions; braces in a path of one were wanted`);
  return {
    kind: 'pattern',
    address: `${start}${name.slice(cut)}`,
    pattern: pathOf(placeIn(name).slice(folder.length), name),
    objects: objects.sort((a, b) => (a.path < b.path ? -1 : 1)),
  };
}

const special = /[{*?[]/;

/** The folder in front of the first special letter, with its `/`. */
export function folderOf(name: string): string {
  const place = placeIn(name);
  const first = place.search(special);
  return first < 0 ? place : place.slice(0, place.lastIndexOf('/', first) + 1);
}

function objectsBelow(folder: string, one: string, { kind, objects }: RemoteListing): RemoteObject[] {
  const place = placeIn(one);
  if (kind === 'file') return objects.map((object) => ({ ...object, path: pathOf(place.slice(folder.length), one) }));
  const own = kind === 'pattern' && isPattern(place) ? cutPattern(place).folder : `${place.replace(/\/$/, '')}/`;
  return objects.map((object) => ({ ...object, path: own.slice(folder.length) + object.path }));
}

/** The path on this machine of what an address names. */
function pathOf(path: string, name: string): string {
  return /^https?:/i.test(name) ? decoded(path) : path;
}

/** An address without its end; null where it ends otherwise. */
function startOf(address: string, end: string): string | null {
  return address.endsWith(end) ? address.slice(0, address.length - end.length) : null;
}
