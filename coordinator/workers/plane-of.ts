/** The way that a worker's bulk bytes take, decided once for a connection, by what its hello offers. */
import { MemoryFile, NotShared } from '../../shared/exchange/planes/memory-file.js';
import { MemoryPlane } from '../../shared/exchange/planes/memory.js';
import { socketPlane } from '../../shared/exchange/planes/socket.js';
import type { Plane } from '../../shared/exchange/plane.js';
import type { Down, Up } from '../../shared/protocol/messages.js';
import type { Broadcast, RunEnvelope } from '../exchange/broadcast.js';
import type { ReportOutput } from '../reports/outputs/output.js';
import type { WorkerConnection } from './worker-connection.js';

/** Where files in memory lie, and who is told. */
export interface PlaneOptions {
  /** Null: no file is shared with anybody. */
  readonly memoryFolder: string | null;
  readonly envelope: RunEnvelope;
  readonly broadcast: Pick<Broadcast, 'released'>;
  readonly reporter: Pick<ReportOutput, 'say'>;
}

/** A worker's plane, and what its welcome says of it. */
export interface ChosenPlane {
  readonly plane: Plane;
  readonly welcome: Pick<Down<'welcome'>, 'memory'>;
}

/**
 * Opens the file that a worker offers. One that is not here, or not of this user's own, leaves the worker on the socket,
 * and a line says why.
 *
 * @param worker for messages to the user
 */
export function planeOf(
  { memory }: Pick<Up<'hello'>, 'memory'>,
  { queue }: Pick<WorkerConnection, 'queue'>,
  { worker, memoryFolder, envelope, broadcast, reporter }: PlaneOptions & { readonly worker: string },
): ChosenPlane {
  const socket = { plane: socketPlane, welcome: {} };
  if (memory === undefined || memoryFolder === null) return socket;
  try {
    const file = MemoryFile.open(memoryFolder, memory);
    const plane = new MemoryPlane({
      file,
      sends: 'down',
      acknowledge: (chunks) => queue.send({ type: 'took', ...envelope, step: broadcast.released, chunks }),
      onUnread: (bytes) => queue.countBeside(bytes),
      onFault: (reason) =>
        reporter.say('warn', `${worker}: commits go on through the socket: ${memoryFolder}: ${reason}`),
    });
    return { plane, welcome: { memory: file.nonce } };
  } catch (error) {
    if (!(error instanceof NotShared)) throw error;
    reporter.say(
      'info',
      `${worker}: bulk bytes travel through the socket: its file in memory cannot be shared: ${error.message}`,
    );
    return socket;
  }
}
