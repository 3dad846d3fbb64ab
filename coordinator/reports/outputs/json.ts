/** Lines of JSON, for collectors of logs: every line and epoch, and progress now and then. */
import { logLine, type LogLevel } from '../../../shared/log-line.js';
import { epochText, termsText } from './lines.js';
import { silentOutput, type OutputPlace, type ReportOutput } from './output.js';
import { SampleRate } from '../sample-rate.js';

export function jsonOutput({
  stream,
  run,
  nowMs,
  everyMs,
}: Pick<OutputPlace, 'stream' | 'run' | 'nowMs' | 'everyMs'>): ReportOutput {
  const rate = new SampleRate();
  let lastMs = nowMs();
  let step: number | undefined;
  const write = (level: LogLevel, msg: string, fields: Readonly<Record<string, unknown>> = {}): void =>
    void stream.write(`${logLine(nowMs(), level, { run, step, ...fields, msg })}\n`);
  return {
    ...silentOutput,
    start: async (start) => {
      step = start.step;
    },
    say: (level, text) => write(level, text),
    progress: (progress) => {
      const { totalSteps, epoch, samples, terms, workers } = progress;
      step = progress.step;
      const samplesPerSecond = Math.round(rate.update(nowMs(), samples));
      if (nowMs() - lastMs < everyMs) return;
      lastMs = nowMs();
      write('info', `step ${step} of ${totalSteps}, ${termsText(terms)}`, {
        totalSteps,
        epoch,
        samplesPerSecond,
        terms,
        workers,
      });
    },
    epoch: async (line) => write('info', epochText(line), { ...line }),
    end: async (partialEpoch) => {
      if (partialEpoch !== null) write('info', epochText(partialEpoch), { ...partialEpoch });
    },
  };
}
