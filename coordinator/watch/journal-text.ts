/** A line of the journal as a line for people. Pure. */
import { termMeans } from '../../shared/figures/training-sums.js';
import type { JournalLine } from '../store/journal.js';
import { termsText } from '../reports/outputs/lines.js';

/** The line in words, behind the time at which it was written. */
export function journalText(line: JournalLine): string {
  return `${new Date(line.atMs).toISOString()} ${wordsOf(line)}`;
}

function wordsOf(line: JournalLine): string {
  switch (line.type) {
    case 'commit':
      return `step ${line.step}, epoch ${line.epoch + 1}: ${line.samples} samples, ${line.skip === undefined ? termsText(termMeans(line)) : `no update: ${line.skip}`}${droppedText(line.dropped)}`;
    case 'evaluation':
      return `evaluation of the ${line.subject} after step ${line.step}: ${line.samples} samples${droppedText(line.dropped)}`;
    case 'generation':
      return `coordinator ${line.generation} starts at step ${line.step}`;
    case 'audit':
      return `audit of micro-batches ${line.from}..${line.to - 1} of step ${line.step}: ${line.outcome}, ${line.text}`;
    case 'labels':
      return `audit of labels at step ${line.step}: ${line.outcome}, ${line.text}`;
    case 'failure':
      return `${line.worker} on ${line.host} fails after step ${line.step} with ${line.code}: ${[line.reason, ...line.lines].join(' | ')}`;
    case 'rewind':
      return `back to step ${line.toStep}: ${line.reason}`;
    case 'reference':
      return `the reference of the numerics is ${line.reference.numerics ?? line.reference.backend} on ${line.reference.host}`;
    case 'results':
      return `done: weights ${line.digest.slice(0, 16)}`;
    default: {
      const unknown: never = line;
      throw new Error(`journal line ${JSON.stringify(unknown)}`);
    }
  }
}

function droppedText(dropped: readonly string[] = []): string {
  return dropped.length === 0 ? '' : `, without ${dropped.join(', ')}`;
}
