/**
 * The lock of a run folder: a name in the kernel that one process of this machine holds, gone with it whatever ends it,
 * and never left over on the disk. The name is drawn at a folder's first start and kept in `generations/lock`, which its
 * owner alone may read: nobody else can take it first.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { codeOf, exitCodes, UserError } from '../../shared/errors.js';
import { createDurably } from './durable-files.js';

/** The folder's lock, while this process holds it. */
export interface FolderLock {
  /** Gives it back. */
  readonly close: () => Promise<void>;
}

/**
 * Takes the lock of a folder, in which `generations` is there.
 *
 * @param who has it, as a message says
 * @throws UserError (69) when another process of this machine has it
 */
export async function lockFolder(path: string, who = 'coordinator is at work on this run folder'): Promise<FolderLock> {
  const server = createServer((socket) => socket.destroy());
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  const address = lockAddress(await lockName(path));
  if (address === null) return { close };
  await listen(server, address).catch((error: unknown) => {
    if (codeOf(error) !== 'EADDRINUSE') throw error;
    throw new UserError(`${path}: another ${who}; end it first, or choose another --out`, exitCodes.unavailable, error);
  });
  server.unref();
  return { close };
}

function listen(server: Server, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, resolve);
  });
}

/** Other for a copy of the folder, which is a run of its own. */
async function lockName(path: string): Promise<string> {
  const file = join(path, 'generations', 'lock');
  await createDurably(file, randomBytes(32).toString('hex'), 0o600);
  return createHash('sha256')
    .update(`${await readFile(file, 'utf8')}\n${await realpath(path)}`)
    .digest('hex');
}

/** Linux has abstract sockets, Windows named pipes. Elsewhere there is no such name, and generations alone must do. */
function lockAddress(name: string): string | null {
  if (process.platform === 'win32') return `\\\\.\\pipe\\stillhouse-${name}`;
  return process.platform === 'linux' ? `\0stillhouse-${name}` : null;
}
