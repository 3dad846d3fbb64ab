/** What a remote name is known again by: how many files, their bytes, and a digest. Pure. */
import { counted } from '../../../shared/counted.js';
import type { RemoteIdentity } from '../../../shared/data/remote-identity.js';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { sha256Of } from '../../../shared/sha256.js';

/** A name's identity as far as the recipe or a run tells it. */
export type RemotePin = Pick<RemoteIdentity, 'sha256'> & Partial<RemoteIdentity>;

/** An identity as far as a server tells it. */
export type ToldIdentity = { readonly [K in keyof RemoteIdentity]?: RemoteIdentity[K] | undefined };

/** A pin, and who has set it. */
export interface SetPin {
  readonly pin: RemotePin;
  readonly by: 'recipe' | 'run';
}

/** @param files by path */
export function listDigest(files: readonly { readonly path: string; readonly sha256: string }[]): string {
  return sha256Of(files.map(({ path, sha256 }) => `${sha256}  ${path}\n`).join(''));
}

/** What came, in words. */
export function identityText({ files = 1, bytes, etag, modified, sha256 }: ToldIdentity): string {
  return [
    ...(files === 1 ? [] : [counted(files, 'file')]),
    ...(bytes === undefined ? [] : [counted(bytes, 'byte')]),
    ...(etag === undefined ? [] : [`ETag ${etag}`]),
    ...(modified === undefined ? [] : [`of ${modified}`]),
    ...(sha256 === undefined ? [] : [`SHA-256 ${sha256}`]),
  ].join(', ');
}

/** A file that is another than the recipe or the run was made with. */
export function otherThanPinned(name: string, { pin, by }: SetPin, now: ToldIdentity): UserError {
  const wanted = identityText(pin);
  return new UserError(
    by === 'recipe'
      ? `${name}: ${identityText(now)} came; ${wanted} was wanted, which data.sha256 says`
      : `${name}: it has changed since this run began: ${wanted} then, ${identityText(now)} now; the file as it was then was wanted, or another --out for a run of the new one`,
    exitCodes.data,
  );
}
