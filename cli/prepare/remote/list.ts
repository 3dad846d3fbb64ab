/** The schemes of remote names, a line each. */
import { hf } from './hf.js';
import { http, https } from './https.js';
import type { RemoteScheme } from './remote-store.js';
import { s3 } from './s3.js';

export const remoteSchemes: readonly RemoteScheme[] = [https, http, s3, hf];

/** The scheme of a name; null for one of a file of this machine. */
export function schemeOf(name: string): RemoteScheme | null {
  return remoteSchemes.find(({ begins }) => name.startsWith(begins)) ?? null;
}

/** Whether a name is that of a remote file. */
export function isRemote(name: string): boolean {
  return schemeOf(name) !== null;
}
