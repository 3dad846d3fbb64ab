/**
 * How processes of one user on one machine trust each other without being told a token: the coordinator that listens on
 * loopback leaves one in a file that nobody else may read, named by its port, and a worker of the same user finds it
 * there. A web page, and other users of the machine, reach the port too, but not the file.
 */
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf, exitCodes, UserError } from '../errors.js';

/** Draws a token of 256 bits. */
export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * Leaves `token` for this user's workers of the coordinator on loopback at `port`.
 *
 * @param parent where the folder of this user's tokens lies
 * @returns what takes it away again
 * @throws UserError 69 when it cannot be kept from others: the folder is another user's, or cannot be made
 */
export function leaveLocalToken(port: number, token: string, parent = tmpdir()): () => void {
  const folder = folderIn(parent);
  try {
    mkdirSync(folder, { mode: 0o700, recursive: true });
    if (!isOurs(folder)) throw new UserError(`${folder}: not a folder that this user alone may read`);
    const path = fileOf(folder, port);
    rmSync(path, { force: true });
    writeFileSync(path, `${token}\n`, { mode: 0o600, flag: 'wx' });
    return () => {
      if (readLocalToken(port, parent) === token) rmSync(path, { force: true });
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(
      `no token can be left for the workers of this machine (${reason}); STILLHOUSE_TOKEN or --token-file wanted (stillhouse token makes one)`,
      exitCodes.unavailable,
      error,
    );
  }
}

/** Where the token that was left for `port` lies, for people who are to find it. */
export function localTokenFile(port: number): string {
  return fileOf(folderIn(tmpdir()), port);
}

/** @returns the token that a coordinator of this user has left for `port`; null where there is none */
export function readLocalToken(port: number, parent = tmpdir()): string | null {
  const folder = folderIn(parent);
  try {
    return isOurs(folder) ? readFileSync(fileOf(folder, port), 'utf8').trim() : null;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

function folderIn(parent: string): string {
  return join(parent, `stillhouse-${userId()}`);
}

function fileOf(folder: string, port: number): string {
  return join(folder, `${port}.token`);
}

/** Whether it is a folder, and no link to one, of this user and closed to all others. */
function isOurs(folder: string): boolean {
  const found = lstatSync(folder);
  return found.isDirectory() && found.uid === userId() && (found.mode & 0o077) === 0;
}

function userId(): number {
  return process.getuid?.() ?? 0;
}
