import { describe, expect, it } from 'vitest';
import { durationText, folderStatusText, statusText } from '../../../coordinator/watch/status-text.js';
import { runStatusSchema, type RunStatus } from '../../../coordinator/watch/run-status.js';

const status: RunStatus = {
  ...{ run: 'r1', generation: 2, name: 'small', state: 'working', step: 12, steps: 40, epoch: 1, epochs: 4 },
  ...{ samples: 384, samplesPerSecond: 99.6, secondsLeft: 61.2, terms: { response: 0.5 } },
  leases: { granted: 30, repeated: 1, refused: 0 },
  labels: { kept: 7, samples: 150 },
  unit: null,
  firstFailure: null,
  workers: [
    {
      ...{ worker: 'w1', process: 'p', host: 'alpha', pid: 17, device: 'wasm', state: 'computing', numerics: 'exact' },
      ...{
        lease: 'micro-batch 3 of step 13',
        microBatchMs: 4,
        silentMs: 120,
        samples: 200,
        queuedBytes: 1025,
        plane: 'memory',
      },
    },
    {
      ...{ worker: 'w12', process: 'q', host: 'b', pid: 4, device: 'wasm', state: 'leaving', numerics: 'unknown' },
      ...{ lease: null, microBatchMs: null, silentMs: 0, samples: 0, queuedBytes: 0, plane: 'socket' },
    },
  ],
};

describe('the text of a status', () => {
  it('has the run, its pace, its labels and a line for each worker', () => {
    expect(statusText(status).split('\n')).toEqual([
      'small: working (run r1, coordinator 2)',
      'step 12 of 40, epoch 2 of 4, 384 samples, 100 samples/s, about 1 min 2 s left',
      'response 0.5000',
      'leases: 30 granted, 1 repeated, 0 refused',
      'labels: 7 of 150',
      '  worker  host      device  numerics  state      lease                     plane       heard  queued  samples',
      '  w1      alpha 17  wasm    exact     computing  micro-batch 3 of step 13  memory  0.1 s ago   2 KiB      200',
      '  w12     b 4       wasm    unknown   leaving    -                         socket  0.0 s ago   0 KiB        0',
    ]);
  });

  it('says so where nobody works, and leaves out what is not known', () => {
    const idle = statusText({ ...status, workers: [], labels: null, secondsLeft: null, terms: {} });
    expect(idle).toContain('no worker is here');
    expect(idle).not.toMatch(/left|labels/);
  });

  it('ends with the first worker that failed, and what it said last', () => {
    const lines = ['opening the teacher', 'bad model'];
    const failed = { ...status, firstFailure: { worker: 'w3', host: 'gamma', code: 65, reason: 'no model', lines } };
    expect(statusText(failed).split('\n').slice(-3)).toEqual([
      'the first to fail was w3 (gamma), with 65: no model',
      '  opening the teacher',
      '  bad model',
    ]);
    // A coordinator of before does not tell.
    const { firstFailure: _, ...older } = status;
    expect(runStatusSchema.parse(older).firstFailure).toBeNull();
  });

  it.each([
    [0.2, '1 s'],
    [59, '59 s'],
    [3600, '1 h 0 min'],
    [90_061, '1 d 1 h'],
  ])('writes %d seconds as %s', (seconds, text) => expect(durationText(seconds)).toBe(text));

  it('shows what a coordinator says of others as text', () => {
    const [worker] = status.workers;
    const read = runStatusSchema.parse({ ...status, workers: [{ ...worker, host: '\u001b[2Jx' }] });
    expect(read.workers[0]?.host).toBe('\\u001b[2Jx');
  });

  it('of a folder has what journal and summary say', () => {
    const folder = { folder: 'runs/a', state: 'done', generation: 1, step: 3, epoch: 0, samples: 9 } as const;
    const text = folderStatusText({
      ...{ ...folder, samplesPerSecond: 5, terms: { crossEntropy: 1 }, newestMs: 0, digest: 'a'.repeat(64) },
    });
    expect(text.split('\n')).toEqual([
      'runs/a: done (coordinator 1)',
      'step 3, epoch 1, 9 samples, 5 samples/s',
      'crossEntropy 1.000',
      'newest line of 1970-01-01T00:00:00.000Z',
      'weights aaaaaaaaaaaaaaaa',
    ]);
  });
});
