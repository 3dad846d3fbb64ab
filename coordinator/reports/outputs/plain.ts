/** Plain lines, where there is no terminal: every line and epoch, and progress now and then. */
import { epochText, levelText, termsText } from './lines.js';
import { silentOutput, type OutputPlace, type ReportOutput, type RunProgress } from './output.js';
import { SampleRate } from '../sample-rate.js';
import { secondsLeft } from './rate.js';

export function plainOutput({
  stream,
  paint,
  nowMs,
  everyMs,
}: Pick<OutputPlace, 'stream' | 'paint' | 'nowMs' | 'everyMs'>): ReportOutput {
  const rate = new SampleRate();
  let lastMs = nowMs();
  let firstStep: number | null = null;
  const write = (text: string): void => void stream.write(`${text}\n`);
  return {
    ...silentOutput,
    say: (level, text) => write(levelText(level, text, paint)),
    progress: (progress) => {
      const { step, totalSteps, samples, terms, workers } = progress;
      const perSecond = rate.update(nowMs(), samples);
      firstStep ??= step - 1;
      if (nowMs() - lastMs < everyMs) return;
      lastMs = nowMs();
      const left = leftText(progress, { perSecond, firstStep });
      write(
        `step ${step}/${totalSteps}, ${Math.round(perSecond)} samples/s, ${termsText(terms)}, ${workers} workers${left}`,
      );
    },
    epoch: async (line) => write(epochText(line)),
    end: async (partialEpoch) => {
      if (partialEpoch !== null) write(epochText(partialEpoch));
    },
  };
}

function leftText(progress: RunProgress, pace: { readonly perSecond: number; readonly firstStep: number }): string {
  const seconds = secondsLeft(progress, pace);
  return seconds === null ? '' : `, about ${Math.ceil(seconds)} s left`;
}
