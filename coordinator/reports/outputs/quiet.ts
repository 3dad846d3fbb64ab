/** Warnings and errors alone. */
import { levelText } from './lines.js';
import { silentOutput, type OutputPlace, type ReportOutput } from './output.js';

export function quietOutput({ stream }: Pick<OutputPlace, 'stream'>): ReportOutput {
  return {
    ...silentOutput,
    say: (level, text) => {
      if (level !== 'info') stream.write(`${levelText(level, text)}\n`);
    },
  };
}
