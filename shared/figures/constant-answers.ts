/** Whether a model answers the same whatever it is asked. Pure. */
import { counted } from '../counted.js';
import { hasVectors, type Task } from '../task.js';
import { argMax } from './classification.js';

/** What a model gives of many samples, and what is known of them. */
export interface AnswersToSamples {
  readonly task: Task;
  /** [rows x width]: logits of classes, of labels, or numbers. */
  readonly outputs: Float32Array;
  readonly width: number;
  /** [rows], -1 for none. Rows of one class alone prove nothing. */
  readonly labels: Int32Array;
}

/** Rows from which on equal answers are no accident. */
const leastRows = 16;

/** Share of the largest output within which rows of numbers count as equal. */
const tolerance = 1e-6;

/**
 * Says what the one answer is that a model gives to all samples, as `class 3 for all 64 samples`; null where it gives
 * several, or where the samples may all be of one class.
 */
export function constantAnswer({ task, outputs, width, labels }: AnswersToSamples): string | null {
  const rows = outputs.length / width;
  if (rows < leastRows) return null;
  if (hasVectors(task)) return areAlike(outputs, width) ? `the same numbers for all ${counted(rows, 'sample')}` : null;
  const known = new Set(labels.filter((label) => label >= 0));
  if (known.size === 1 || width < 2) return null;
  const answer = argMax(outputs, 0, width);
  for (let row = 1; row < rows; row++) if (argMax(outputs, row * width, width) !== answer) return null;
  return `class ${answer} for all ${rows} ${task === 'sequence' ? 'positions' : 'samples'}`;
}

function areAlike(outputs: Float32Array, width: number): boolean {
  const scale = outputs.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return outputs.every((value, at) => Math.abs(value - (outputs[at % width] ?? 0)) <= tolerance * scale);
}
