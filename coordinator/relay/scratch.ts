/**
 * Names of what relays keep on the disk while workers may want it. Several relays may share a folder, also over hosts; each
 * name tells whose it is, so that what a killed relay has left can be found.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ifThere } from '../../shared/files.js';
import { isAlive } from '../../shared/process-alive.js';

const host = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

/** The first part of the names of one relay: its host, its process, and a random number. */
export function scratchName(): string {
  return `relay.${host}.${process.pid}.${randomBytes(4).toString('hex')}`;
}

/**
 * Removes what relays of this host have left in the folder whose process is gone. One of this very process number that has
 * another name is of a container's earlier life.
 */
export async function clearLeft(folder: string, own: string): Promise<void> {
  for (const name of (await ifThere(readdir(folder))) ?? []) {
    const [kind, itsHost, pid] = name.split('.');
    if (kind !== 'relay' || itsHost !== host || name.startsWith(own)) continue;
    if (Number(pid) !== process.pid && isAlive(Number(pid))) continue;
    await rm(join(folder, name), { recursive: true, force: true });
  }
}
