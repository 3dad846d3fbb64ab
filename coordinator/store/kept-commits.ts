/**
 * The commits that replicas can be fed from: the log on the disk (log.ts), or the newest ones in memory
 * (recent-commits.ts), as the recipe's `log.gradients` says.
 */
import type { ByteRange } from '../../shared/replica/pieces.js';
import type { CommitRecord } from './commit-record.js';

export interface KeptCommits {
  /** Whether a commit outlives this process once `append` has resolved. */
  readonly isDurable: boolean;
  /** Bytes that the commits which are kept take. */
  readonly sizeBytes: number;
  /** Bytes of all that were appended here, and the seconds that it took. */
  readonly written: { readonly bytes: number; readonly seconds: number };
  /** Whether the commit of `step` is here. */
  has(step: number): boolean;
  /** Hash of the state after step `step`, if its commit is here. */
  stateHashAfter(step: number): string | undefined;
  /** The header of a commit that is here. */
  read(step: number): Promise<CommitRecord>;
  /** Bytes of a commit's payload, in memory of their own or in `target`. */
  readBytes(step: number, range: ByteRange, target?: Uint8Array): Promise<Uint8Array>;
  /** Keeps a commit. The payload must not change until this resolves. */
  append(record: CommitRecord, payload: Uint8Array | null): Promise<void>;
  /** A snapshot is taken: commits from here on are apart from those before it. */
  rotate(): void;
  /** Commits before `step` are not needed for recovery: they may be deleted. */
  dropBefore(step: number): Promise<void>;
  /** No replica that follows reads commits before `step`. */
  forget(step: number): void;
  close(): Promise<void>;
}
