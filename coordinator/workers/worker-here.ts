/** A worker that is here, as people are shown it: who it is, on what it computes, and what is queued for it. */
import type { WorkerId } from '../decide/types.js';
import { studentDevice, type EngineOfRun } from './numerics.js';
import type { Participant } from './participants.js';
import type { AdmittedWorker } from './worker-connection.js';

export interface WorkerHere {
  readonly worker: WorkerId;
  /** The process's own name, the same over reconnects. */
  readonly process: string;
  readonly host: string;
  readonly pid: number;
  readonly device: string;
  readonly numerics: string;
  readonly isDrained: boolean;
  /** Samples that its accepted contributions covered. */
  readonly samples: number;
  /** Bytes that were sent to it and that its connection has not taken yet. */
  readonly queuedBytes: number;
  /** The way that its bulk bytes take. */
  readonly plane: string;
}

/**
 * Pure, but for the queue that it looks at.
 * @param engine what computes the run's student
 */
export function hereOf(
  { id, process, device, isDrained, connection }: AdmittedWorker,
  took: Participant,
  engine: EngineOfRun,
): WorkerHere {
  return {
    worker: id,
    process,
    host: device.host,
    pid: device.pid,
    device: studentDevice(device, engine),
    numerics: took.numerics,
    isDrained,
    samples: took.samples,
    queuedBytes: connection.queue.queuedBytes,
    plane: connection.plane.name,
  };
}
