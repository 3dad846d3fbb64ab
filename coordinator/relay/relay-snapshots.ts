/**
 * What workers below a relay start from: the snapshot that the relay itself was given, as long as the commits after it
 * are here, else one that is made of its replica when somebody needs it. The newest alone is kept.
 */
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Down } from '../../shared/protocol/messages.js';
import { StateCopy } from '../store/state-copy.js';
import type { CommitWindow } from './commit-window.js';
import type { RelayedRun } from './upstream.js';

/** As a welcome names it. */
export type NamedSnapshot = NonNullable<Down<'welcome'>['snapshot']>;

export interface RelaySnapshotsOptions {
  readonly run: RelayedRun;
  readonly window: CommitWindow;
  /** Removed by `close`. */
  readonly folder: string;
}

/** So many bytes of commits are rather sent than a new snapshot made, however small the state. */
const leastBytes = 4 * 2 ** 20;

export class RelaySnapshots {
  readonly #options: RelaySnapshotsOptions;
  #newest: NamedSnapshot | null;
  /** Paths of those that were made here, by SHA-256. */
  readonly #paths = new Map<string, string>();
  #making: Promise<NamedSnapshot> | null = null;
  #copy: StateCopy | null = null;

  constructor(options: RelaySnapshotsOptions) {
    this.#options = options;
    this.#newest = options.run.welcome.snapshot;
  }

  /** Where a snapshot lies that was made here; undefined for any other artifact. */
  pathOf(sha256: string): string | undefined {
    return this.#paths.get(sha256);
  }

  /** It cannot be had any more. */
  forget(sha256: string): void {
    if (this.#newest?.sha256 === sha256) this.#newest = null;
  }

  /** A snapshot after which every commit is here. */
  async give(): Promise<NamedSnapshot> {
    const newest = this.#newest;
    if (newest !== null && this.#isGood(newest)) return newest;
    this.#making ??= this.#make().finally(() => {
      this.#making = null;
    });
    return this.#making;
  }

  async close(): Promise<void> {
    await this.#making?.catch(() => undefined);
    await this.#copy?.close();
    await rm(this.#options.folder, { recursive: true, force: true });
  }

  #isGood({ step, bytes: stateBytes }: NamedSnapshot): boolean {
    const { window, run } = this.#options;
    const bytes = window.bytesFrom(step, run.position().step);
    return bytes !== null && bytes <= Math.max(leastBytes, stateBytes);
  }

  async #make(): Promise<NamedSnapshot> {
    const { run, folder } = this.#options;
    await mkdir(folder, { recursive: true });
    this.#copy ??= new StateCopy(run.replica.plan.stateBytes);
    const { step, receipt } = run.position();
    this.#copy.take(run.replica.state());
    const path = join(folder, `${step}.snapshot`);
    const sha256 = await this.#copy.writeTo(path);
    const made = { sha256, bytes: (await stat(path)).size, step, receipt };
    for (const [other, old] of this.#paths) {
      this.#paths.delete(other);
      // Whoever reads it has it open.
      if (old !== path) await rm(old, { force: true });
    }
    this.#paths.set(sha256, path);
    this.#newest = made;
    return made;
  }
}
