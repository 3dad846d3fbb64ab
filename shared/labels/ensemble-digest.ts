/** What an ensemble's labels depend on, as one digest: labels with another digest are other labels. Pure. */
import { createHash } from 'node:crypto';
import type { TeacherSpec } from '../protocol/messages.js';

export interface EnsembleForm {
  readonly combine: 'logits' | 'probabilities';
  /** Rows of every forward: libraries choose other kernels, with other bits, for other numbers of rows. */
  readonly rows: number;
  /** One sample, channels last. */
  readonly inputShape: readonly number[];
}

/** Models, weights, temperatures, everything that the recipe says of a teacher, and the form of the mixture. */
export function ensembleDigest(teachers: readonly TeacherSpec[], { combine, rows, inputShape }: EnsembleForm): string {
  const told = teachers.map(({ files, parameters: _parameters, canary: _canary, ...rest }) => [Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)), files.map((file) => file.sha256)]);
  return createHash('sha256').update(JSON.stringify([combine, rows, inputShape, told])).digest('hex');
}
