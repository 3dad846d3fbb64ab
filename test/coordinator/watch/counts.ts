/** What a run could have counted, with another number everywhere. */
import type { RunCounts } from '../../../coordinator/watch/run-counts.js';

export const counts: RunCounts = {
  status: {
    ...{ run: 'r1', generation: 2, name: 'small', state: 'working', step: 12, steps: 40, epoch: 1, epochs: 4 },
    ...{ samples: 384, samplesPerSecond: 99.5, secondsLeft: 61, terms: { response: 0.5, crossEntropy: 1.25 } },
    leases: { granted: 30, repeated: 3, refused: 9 },
    unit: null,
    labels: { kept: 70, samples: 150 },
    firstFailure: null,
    workers: (['computing', 'computing', 'joining'] as const).map((state, i) => ({
      ...{ worker: `w${i}`, process: `p${i}`, host: 'alpha', pid: i, device: 'wasm', state, numerics: 'exact' },
      ...{ lease: null, microBatchMs: null, silentMs: 0, samples: 0, queuedBytes: 100 * i, plane: 'socket' },
    })),
  },
  bytes: { socket: { received: 1001, sent: 1002 }, memory: { received: 1003, sent: 1004 } },
  reconnects: 4,
  phaseSeconds: { student: 2.5, wait: 0.25 },
  lateLeases: 5,
  refusedFrames: { brokenRule: 6, noLease: 7, noMatch: 8 },
  snapshots: { taken: 11, seconds: 0.75, ageSeconds: 33 },
  labelsRead: 20,
  residentBytes: 123_456,
};
