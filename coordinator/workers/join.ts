/**
 * Where a worker that says hello starts from: what it holds and the log after it, or a snapshot. Pure but for the two
 * stores that it looks into.
 */
import type { Down, Up } from '../../shared/protocol/messages.js';
import type { RunEnvelope } from '../exchange/broadcast.js';
import type { CommitLog } from '../store/log.js';
import type { PreparedRun } from '../plan/prepared-run.js';
import type { Snapshot, Snapshots } from '../store/snapshots.js';

export type Start =
  /** Feed from `step`; with a snapshot unless the worker holds that state already. */
  | { readonly type: 'start'; readonly step: number; readonly snapshot: Snapshot | null }
  /** The worker has applied commits of this run that this folder does not know. */
  | { readonly type: 'ahead'; readonly step: number };

export interface StartSources {
  readonly log: Pick<CommitLog, 'has' | 'stateHashAfter'>;
  readonly snapshots: Pick<Snapshots, 'all' | 'newest'>;
  /** Commits released so far, and the hash of the state after them. */
  readonly released: number;
  readonly stateHash: string;
  /** Generations of this run by their nonces. */
  readonly nonces: ReadonlyMap<string, number>;
  /** The generation that last made commits void; 0 for none. Workers of those before it may hold them in good faith. */
  readonly rewoundBy: number;
}

export function startOf(hello: Up<'hello'>, sources: StartSources): Start {
  const { held } = hello;
  const generation = held === null ? undefined : sources.nonces.get(held.nonce);
  const isOurs = held !== null && generation !== undefined;
  if (isOurs && held.step > sources.released && generation >= sources.rewoundBy)
    return { type: 'ahead', step: held.step };
  if (isOurs && hashAt(held.step, sources) === held.stateHash && canFeed(held.step, sources)) {
    return { type: 'start', step: held.step, snapshot: null };
  }
  const { newest } = sources.snapshots;
  if (newest === undefined) throw new Error('a run has a snapshot from its start on');
  return { type: 'start', step: newest.step, snapshot: newest };
}

/** Hash of the state before step `step`, as far as it is still known. */
export function hashAt(
  step: number,
  { log, snapshots, released, stateHash }: Omit<StartSources, 'nonces' | 'rewoundBy'>,
): string | undefined {
  if (step === released) return stateHash;
  return log.stateHashAfter(step - 1) ?? snapshots.all.find((snapshot) => snapshot.step === step)?.stateHash;
}

function canFeed(step: number, { log, released }: StartSources): boolean {
  return step === released || log.has(step);
}

export interface WelcomeParts {
  readonly run: PreparedRun;
  readonly envelope: RunEnvelope;
  readonly nonce: string;
  readonly initial: Snapshot;
  readonly released: number;
  readonly heartbeatMs: number;
}

export function welcomeOf(worker: string, snapshot: Snapshot | null, parts: WelcomeParts): Down<'welcome'> {
  const { run, envelope, nonce, initial, released, heartbeatMs } = parts;
  return {
    type: 'welcome',
    ...envelope,
    step: released,
    nonce,
    worker,
    recipe: plain(run.recipe),
    recipeDigest: run.recipeDigest,
    student: run.studentArtifact,
    teachers: [...run.teachers],
    ...(run.plugins.length === 0 ? {} : { plugins: [...run.plugins] }),
    manifest: run.manifestArtifact,
    initial: { sha256: initial.sha256, bytes: initial.bytes },
    snapshot: snapshot === null ? null : { sha256: snapshot.sha256, bytes: snapshot.bytes, step: snapshot.step },
    heartbeatMs,
  };
}

/** Without keys whose value is undefined, which have no place on the wire. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
