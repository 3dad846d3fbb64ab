/** Files by their address: `https://HOST/PATH`, and `http://` on this machine or of hosts that the user names. */
import { posix } from 'node:path';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { bodyOf, lengthOf, rangeHeaders } from './answers.js';
import { decoded, isMasked, isPattern } from './addresses.js';
import { OutOfReach, type AskOptions } from './http-client.js';
import type { RemoteListing, RemoteScheme, RemoteStore, StoreContext } from './remote-store.js';

export const https: RemoteScheme = { begins: 'https://', open: openHttps };
export const http: RemoteScheme = { begins: 'http://', open: openHttps };

function openHttps({ http: client, env, reveal }: StoreContext): RemoteStore {
  const optionsOf = (address: string): AskOptions => ({ address, isPlainAllowed: isPlainHost(address, env) });
  const urlOf = (address: string): string => {
    const url = reveal(address);
    if (!isMasked(url)) return url;
    throw new UserError(`${address}: its signature is masked; the signed address, or one that needs none, was wanted`);
  };
  return {
    async list(name) {
      checkName(name);
      const url = urlOf(name);
      const asked = await client.ask(url, { ...optionsOf(name), method: 'HEAD' });
      asked.resume();
      const isRefused = [400, 401, 403, 405, 501].includes(asked.statusCode ?? 0);
      // Signatures are often good for GET alone.
      const answer = isRefused ? await client.ask(url, { ...optionsOf(name), headers: { range: 'bytes=0-0' } }) : asked;
      answer.destroy();
      const { statusCode: status = 0, headers } = answer;
      if (status === 404 || status === 410) return null;
      if (status === 401 || status === 403) throw denied(name, status);
      if (status !== 200 && status !== 206 && status !== 416) throw new OutOfReach(name, `it answers ${status}`);
      const { etag = null, 'last-modified': modified = null } = headers;
      const bytes = status === 416 ? 0 : lengthOf(answer);
      return fileListing(name, { bytes, etag, modified });
    },
    async read(object, range) {
      const options = { ...optionsOf(object.address), headers: rangeHeaders(object, range) };
      const response = await client.askOnce(urlOf(object.address), options);
      return bodyOf(response, object, { range, denied: (status) => denied(object.address, status) });
    },
  };
}

function fileListing(
  name: string,
  told: { readonly bytes: number | null; readonly etag: string | null; readonly modified: string | null },
): RemoteListing {
  const path = decoded(posix.basename(new URL(name).pathname)).replaceAll('/', '_') || 'file';
  return { kind: 'file', address: name, pattern: '', objects: [{ address: name, path, sha256: null, ...told }] };
}

/** @throws UserError 2 for what is no address of one file */
function checkName(name: string): void {
  if (!URL.canParse(name)) throw new UserError(`${name}: no address; https://HOST/PATH was wanted`);
  const { pathname } = new URL(name);
  if (isPattern(decoded(pathname)) || pathname.endsWith('/'))
    throw new UserError(
      `${name}: a ${pathname.endsWith('/') ? 'folder' : 'pattern'} over HTTP, which lists no files; the address of a file, or a list of them, was wanted`,
    );
}

function isPlainHost(address: string, { STILLHOUSE_PLAIN_HTTP: hosts = '' }: NodeJS.ProcessEnv): boolean {
  return hosts.split(',').includes(new URL(address).hostname);
}

function denied(address: string, status: number): UserError {
  return new UserError(
    `${address}: the server refuses access (${status}); a file that may be read, or an address whose signature is still good, was wanted`,
    exitCodes.usage,
  );
}
