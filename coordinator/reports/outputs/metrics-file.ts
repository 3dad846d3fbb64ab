/**
 * metrics.jsonl in the run folder: a line for each epoch that was trained to its end. It is derived from the journal
 * and written anew at every start, so what a crash left of it does not matter. A last epoch that ended before its time,
 * because the steps were used up or training stopped early, has no line.
 */
import { silentOutput, type OutputPlace, type ReportOutput } from './output.js';

const name = 'metrics.jsonl';

/** Its promises are rejected with UserError 69 when the disk takes no more. */
export function metricsFile({ folder }: Pick<OutputPlace, 'folder'>): ReportOutput {
  return {
    ...silentOutput,
    start: ({ closedEpochs }) => folder.write(name, closedEpochs.map(lineOf).join('')),
    epoch: (line) => folder.append(name, lineOf(line)),
  };
}

const lineOf = (value: object): string => `${JSON.stringify(value)}\n`;
