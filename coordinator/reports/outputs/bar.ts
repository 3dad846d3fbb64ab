/** Two lines at the bottom of a terminal, above which lines and epochs scroll by. */
import { SampleRate } from '../sample-rate.js';
import { barLines, type ShownProgress } from './bar-lines.js';
import { epochText, levelText } from './lines.js';
import { silentOutput, type OutputPlace, type ReportOutput } from './output.js';
import { secondsLeft } from './rate.js';

/** They are drawn no more often than this, in milliseconds. */
const drawMs = 100;
const usualColumns = 80;
/** From the end of the second line: to the beginning of the first, and all behind it away. */
const clear = '\r\u001b[1A\u001b[J';

export function barOutput({ stream, nowMs, paint }: Pick<OutputPlace, 'stream' | 'nowMs' | 'paint'>): ReportOutput {
  const rate = new SampleRate();
  let firstStep: number | null = null;
  let shown: ShownProgress | null = null;
  let drawnMs = -Infinity;
  let isDrawn = false;
  const erase = (): void => {
    if (isDrawn) stream.write(clear);
    isDrawn = false;
  };
  const draw = (): void => {
    if (shown === null) return;
    erase();
    stream.write(barLines(shown, stream.columns || usualColumns, paint).join('\n'));
    [isDrawn, drawnMs] = [true, nowMs()];
  };
  const writeAbove = (text: string): void => {
    erase();
    stream.write(`${text}\n`);
    draw();
  };
  return {
    ...silentOutput,
    say: (level, text) => writeAbove(levelText(level, text, paint)),
    progress: (progress) => {
      const samplesPerSecond = rate.update(nowMs(), progress.samples);
      firstStep ??= progress.step - 1;
      const left = secondsLeft(progress, { perSecond: samplesPerSecond, firstStep });
      const isLast = progress.step === progress.totalSteps;
      shown = { ...progress, labels: progress.labels(), samplesPerSecond, secondsLeft: left };
      if (isLast || nowMs() - drawnMs >= drawMs) draw();
    },
    epoch: async (line) => writeAbove(epochText(line)),
    end: async (partialEpoch) => {
      if (partialEpoch !== null) writeAbove(epochText(partialEpoch));
    },
    close: () => {
      erase();
      [shown, firstStep] = [null, null];
    },
  };
}
