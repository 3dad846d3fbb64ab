/**
 * Binary cross entropy of each label by itself, for targets t in [0, 1] of samples that have one; s is the logistic
 * function:
 *
 *   value = sum_k -(t_k log s(z_k) + (1 - t_k) log s(-z_k)),  d/dz_k = s(z_k) - t_k
 *
 * PyTorch's BCEWithLogitsLoss, summed over the labels as the soft multi-label term is.
 */
import { lossOnOutputs } from './loss.js';
import { overElements } from './math/elements.js';
import { logLogistic } from './math/logistic.js';

export const binaryCrossEntropy = lossOnOutputs({
  name: 'binaryCrossEntropy',
  description: "of each of the target's labels by itself, their sum",
  compares: "each of several labels by itself with the sample's target, their sum",
  formula: 'sum -(t log s(z) + (1 - t) log s(-z))',
  source: "PyTorch's `BCEWithLogitsLoss`",
  options: {},
  on: 'answer',
  target: 'vectors',
  over: 'labelled',
  tasks: ['multiLabel'],
  written: () => 'sum of binary cross entropy',
  compute: (input) =>
    overElements(input, 1, (z, target) => [
      -(target * logLogistic(z) + (1 - target) * logLogistic(-z)),
      Math.exp(logLogistic(z)) - target,
    ]),
});
