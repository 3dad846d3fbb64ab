/** Objects of S3-compatible stores: `s3://BUCKET/KEY`, `s3://BUCKET/FOLDER/` and patterns such as `s3://BUCKET/*.csv`. */
import { posix } from 'node:path';
import { UserError } from '../../../shared/errors.js';
import { bodyOf, changed, lengthOf, rangeHeaders } from './answers.js';
import { cutPattern, isPattern, matcherOf } from './addresses.js';
import type { RemoteListing, RemoteObject, RemoteScheme, RemoteStore, StoreContext } from './remote-store.js';
import { nameOf, problemOf, S3Client, type ListedObject } from './s3-bucket.js';
import { s3Settings } from './s3-settings.js';

export const s3: RemoteScheme = { begins: 's3://', open: openS3 };

interface Place {
  readonly bucket: string;
  readonly key: string;
}

function openS3({ http, env }: StoreContext): RemoteStore {
  let opening: Promise<S3Client> | null = null;
  const client = (): Promise<S3Client> => (opening ??= s3Settings(env).then((found) => new S3Client(http, found)));
  return {
    list: async (name) => list(await client(), name),
    async read(object, range) {
      // Headers and what comes in them have times in the form of HTTP.
      const told = { ...object, modified: object.modified === null ? null : httpTimeOf(object.modified) };
      const place = { ...placeOf(object.address), headers: rangeHeaders(told, range) };
      const response = await (await client()).askOnce(place);
      const { statusCode: status = 0 } = response;
      if ([400, 401, 403].includes(status)) throw await problemOf(response, place);
      const denied = (): UserError => changed(object, `it answers ${status}`);
      return bodyOf(response, told, { range, denied });
    },
  };
}

function placeOf(name: string): Place {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]*)\/?([\s\S]*)$/.exec(name) ?? [];
  if (!/^[a-z0-9][a-z0-9._-]{1,254}$/i.test(bucket))
    throw new UserError(`${name}: no bucket; s3://BUCKET/KEY was wanted`);
  return { bucket, key };
}

async function list(client: S3Client, name: string): Promise<RemoteListing | null> {
  const { bucket, key } = placeOf(name);
  if (isPattern(key)) {
    const { folder, pattern } = cutPattern(key);
    const matches = matcherOf(pattern);
    const found = await client.list(bucket, folder + (/^[^*?[/]*/.exec(pattern)?.[0] ?? ''));
    const objects = below(bucket, folder, found).filter(({ path }) => matches(path));
    return objects.length === 0 ? null : { kind: 'pattern', address: name, pattern, objects };
  }
  const single = key === '' || key.endsWith('/') ? null : await headOf(client, { bucket, key });
  if (single !== null) return { kind: 'file', address: name, pattern: '', objects: [single] };
  const folder = key === '' || key.endsWith('/') ? key : `${key}/`;
  const objects = below(bucket, folder, await client.list(bucket, folder));
  return objects.length === 0 ? null : { kind: 'folder', address: name, pattern: '', objects };
}

/** Objects of a folder; keys that end in `/` stand for folders, as consoles make them, and hold nothing. */
function below(bucket: string, folder: string, found: readonly ListedObject[]): RemoteObject[] {
  return found
    .filter(({ key }) => !key.endsWith('/'))
    .map(({ key, bytes, etag, modified }) => ({
      address: nameOf(bucket, key),
      path: key.slice(folder.length),
      bytes,
      etag,
      modified: modified === null ? null : secondsOf(modified),
      sha256: null,
    }));
}

/** Null where there is no such object. @throws UserError 2 where it may not be seen */
async function headOf(client: S3Client, place: Place): Promise<RemoteObject | null> {
  const response = await client.ask({ ...place, method: 'HEAD' });
  response.resume();
  const { statusCode: status = 0, headers } = response;
  if (status === 404) return null;
  if (status !== 200) {
    // The answer to HEAD has no body, which would tell why.
    const told = await client.ask({ ...place, headers: { range: 'bytes=0-0' } });
    throw await problemOf(told, place);
  }
  const { etag = null, 'last-modified': modified } = headers;
  return {
    address: nameOf(place.bucket, place.key),
    path: posix.basename(place.key),
    bytes: lengthOf(response),
    etag,
    modified: modified === undefined ? null : secondsOf(modified),
    sha256: null,
  };
}

function httpTimeOf(time: string): string {
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? time : new Date(ms).toUTCString();
}

/** Lists and headers write one time in different forms. */
function secondsOf(time: string): string {
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? time : `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
