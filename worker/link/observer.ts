/**
 * Who follows a link beside its trainer: a relay, which passes on what its own link receives. It is told on the link's
 * thread, in the order in which things happen, and must not keep the link waiting.
 */
import type { Down } from '../../shared/protocol/messages.js';
import type { ArtifactCache } from './artifact-cache.js';
import type { JoinedRun } from './joined-run.js';

/** What follows a link is told. */
export interface LinkObserver {
  /** A run was joined, or joined again on a new connection: its replica stands where this welcome has it start. */
  readonly onJoined: (welcome: Down<'welcome'>, run: JoinedRun, cache: ArtifactCache) => void;
  /** A commit is held with all of its bytes, which lie in the replica's last slot until the next commit comes. */
  readonly onHeld: (commit: Down<'commit'>) => void;
  /** The commit that was held is applied, and the state is the one that the release names. */
  readonly onReleased: (release: Down<'release'>) => void;
  /** The coordinator has said that the run has ended. */
  readonly onEnd: (end: Down<'end'>) => void;
}
