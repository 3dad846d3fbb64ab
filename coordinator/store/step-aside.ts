/**
 * A run whose commits are not kept on the disk (`log.gradients: false`): what the log still holds becomes a snapshot, the
 * log steps aside for the newest commits in memory, and the user is told what that means on this disk.
 */
import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { counted } from '../../shared/counted.js';
import type { Replica } from '../../shared/replica/replica.js';
import { storing } from './durable-files.js';
import type { CommitLog } from './log.js';
import { RecentCommits } from './recent-commits.js';
import type { RunPosition, Snapshots } from './snapshots.js';
import { sourceOf } from './state-copy.js';

export interface AsideOptions {
  /** The run's folder. */
  readonly path: string;
  readonly log: CommitLog;
  readonly snapshots: Pick<Snapshots, 'newest' | 'write'>;
  /** In the state of `position`. */
  readonly replica: Pick<Replica, 'plan' | 'state'>;
  readonly position: RunPosition;
  readonly everySteps: number;
  readonly everySeconds: number;
  readonly say: (text: string) => void;
}

/** Bytes that are written to find out how fast a disk is. */
const trialBytes = 32 * 1024 * 1024;

/** The most that is kept in memory, in bytes: as much as the log would grow to before a snapshot is due. */
export const mostRecentBytes = (stateBytes: number): number => Math.max(64 * 1024 * 1024, 4 * stateBytes);

/** @throws UserError 69 when the disk fails */
export async function stepAside(options: AsideOptions): Promise<RecentCommits> {
  const { path, log, snapshots, replica, position, everySteps, everySeconds, say } = options;
  const bytesPerSecond = await diskSpeed(path);
  if (position.step > (snapshots.newest?.step ?? 0)) await snapshots.write(sourceOf(replica.state()), position);
  await log.truncate(0);
  await log.close();
  say(
    `log.gradients is false: no commit is written (the disk of ${path} takes ${(bytesPerSecond / 1e6).toFixed(0)} MB/s); a coordinator that is started again goes back to its newest snapshot, up to ${counted(everySteps, 'step')} or ${counted(everySeconds, 'second')}`,
  );
  return new RecentCommits(mostRecentBytes(replica.plan.stateBytes));
}

/** Bytes a second that the disk of this folder takes, to the last sync. @throws UserError 69 when it fails */
export async function diskSpeed(folder: string): Promise<number> {
  const path = join(folder, `.disk-trial-${randomBytes(8).toString('hex')}`);
  const bytes = randomBytes(trialBytes);
  return storing(path, async () => {
    const file = await open(path, 'wx', 0o600);
    try {
      const startMs = performance.now();
      await file.writeFile(bytes);
      await file.datasync();
      return (trialBytes * 1000) / (performance.now() - startMs);
    } finally {
      await file.close();
      await rm(path, { force: true });
    }
  });
}
