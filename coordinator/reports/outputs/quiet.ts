/** Warnings and errors alone. */
import { plainOutput } from './plain.js';
import { silentOutput, type OutputPlace, type ReportOutput } from './output.js';

export function quietOutput(place: Pick<OutputPlace, 'stream' | 'paint' | 'nowMs' | 'everyMs'>): ReportOutput {
  return warningsOf(plainOutput(place));
}

/** Hands on nothing but warnings and errors. */
export function warningsOf(output: ReportOutput): ReportOutput {
  return {
    ...silentOutput,
    say: (level, text) => {
      if (level !== 'info') output.say(level, text);
    },
  };
}
