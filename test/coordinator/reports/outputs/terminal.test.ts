import { PassThrough } from 'node:stream';
import { WriteStream } from 'node:tty';
import { describe, expect, it } from 'vitest';
import { createReporter, type Progress } from '../../../../coordinator/reports/outputs/terminal.js';

const progress: Progress = {
  step: 10,
  totalSteps: 40,
  epoch: 0,
  epochs: 2,
  samples: 1000,
  terms: { response: 0.52341 },
  workers: 2,
};

function sink(): { stream: NodeJS.WriteStream; text: () => string } {
  const through = new PassThrough();
  let text = '';
  through.on('data', (data: Buffer) => {
    text += data.toString();
  });
  // Only `write` and `isTTY` are used.
  return { stream: through as unknown as WriteStream, text: () => text };
}

describe('createReporter', () => {
  it('writes a plain line now and then where there is no terminal', () => {
    const { stream, text } = sink();
    let nowMs = 0;
    const reporter = createReporter({ stream, quiet: false, nowMs: () => nowMs, everyMs: 1000 });
    reporter.progress({ ...progress, step: 0, samples: 0 });
    nowMs = 900;
    reporter.progress(progress);
    nowMs = 2000;
    reporter.progress({ ...progress, step: 20, samples: 2000 });
    expect(text()).toMatch(/^step 20\/40, \d+ samples\/s, response 0\.5234, 2 workers, about \d+ s left\n$/);
  });

  it('shows an epoch in one line', () => {
    const { stream, text } = sink();
    createReporter({ stream, quiet: false }).epoch({
      epoch: 1,
      step: 20,
      samples: 60,
      loss: 0.25,
      terms: { response: 0.5 },
      samplesPerSecond: 1234.4,
      eval: { calibrationError: 0.0312, accuracy: 0.9871, loss: 0.1 },
    });
    expect(text()).toBe(
      'epoch 2: loss 0.2500 (response 0.5000), accuracy 98.71 %, calibration error 3.12 %, 1234 samples/s\n',
    );
  });

  it('is silent but for warnings when quiet', () => {
    const { stream, text } = sink();
    const reporter = createReporter({ stream, quiet: true });
    reporter.say('info', 'hello');
    reporter.progress(progress);
    reporter.say('warn', 'careful');
    expect(text()).toBe('warning: careful\n');
  });
});
