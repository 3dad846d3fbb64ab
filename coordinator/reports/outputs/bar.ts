/** A bar on a terminal, above which lines and epochs scroll by. */
import { Presets, SingleBar } from 'cli-progress';
import { epochText, levelText, termsText } from './lines.js';
import { silentOutput, type OutputPlace, type ReportOutput } from './output.js';
import { SampleRate } from '../sample-rate.js';

export function barOutput({ stream, nowMs }: Pick<OutputPlace, 'stream' | 'nowMs'>): ReportOutput {
  const rate = new SampleRate();
  const bar = new SingleBar(
    {
      stream,
      format: '{bar} {value}/{total} steps | {rate} samples/s | {terms} | {workers} workers | {eta_formatted} left',
      etaBuffer: 50,
      hideCursor: true,
      gracefulExit: false,
      clearOnComplete: true,
      noTTYOutput: false,
    },
    Presets.shades_classic,
  );
  let isShown = false;
  const writeAbove = (text: string): void => {
    if (isShown) stream.write('\r\u001b[K');
    stream.write(`${text}\n`);
    if (isShown) bar.render();
  };
  return {
    ...silentOutput,
    say: (level, text) => writeAbove(levelText(level, text)),
    progress: ({ step, totalSteps, samples, terms, workers }) => {
      const payload = { rate: Math.round(rate.update(nowMs(), samples)), terms: termsText(terms), workers };
      if (isShown) bar.update(step, payload);
      else bar.start(totalSteps, step, payload);
      isShown = true;
    },
    epoch: async (line) => writeAbove(epochText(line)),
    end: async (partialEpoch) => {
      if (partialEpoch !== null) writeAbove(epochText(partialEpoch));
    },
    close: () => {
      if (isShown) bar.stop();
      isShown = false;
    },
  };
}
