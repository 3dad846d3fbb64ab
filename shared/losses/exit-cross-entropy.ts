/**
 * Be your own teacher (BYOT, Zhang et al. 2019), the labels' part: cross entropy of each of the student's earlier
 * exits, as cross-entropy.ts has it of the answer. The term's value is their sum.
 */
import { fraction } from '../numbers.js';
import { computeCrossEntropy } from './cross-entropy.js';
import { lossOnOutputs } from './loss.js';

export const exitCrossEntropy = lossOnOutputs({
  name: 'exitCrossEntropy',
  description: "BYOT: cross entropy of each of the student's earlier exits, their sum",
  compares: "each of the student's earlier exits with the label, their sum",
  formula: 'sum over exits of -log softmax(z)[y]',
  source: 'BYOT, Zhang et al. 2019',
  options: { labelSmoothing: fraction.default(0) },
  on: 'exits',
  target: 'labels',
  over: 'labelled',
  tasks: ['classes', 'sequence'],
  compute: computeCrossEntropy,
});
