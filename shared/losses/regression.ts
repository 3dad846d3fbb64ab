/**
 * The student's output z against the sample's target vector t of K numbers, for the samples that have one:
 *
 *   mse     value = mean_k (z_k - t_k)^2                                              PyTorch's MSELoss
 *   l1      value = mean_k |z_k - t_k|, slope 0 at 0                                  L1Loss
 *   huber   value = mean_k (e^2 / 2 for |e| <= delta, else delta (|e| - delta / 2))   HuberLoss (Huber 1964)
 *           with e = z_k - t_k
 */
import { z } from 'zod';
import { positive } from '../numbers.js';
import { lossOnOutputs } from './loss.js';
import { overElements, type Penalty } from './math/elements.js';

export const regression = lossOnOutputs({
  name: 'regression',
  description: "the student's output against the sample's target, mean over its numbers",
  compares: "the answer with the sample's target vector, mean over its numbers",
  formula: 'mean (z - t)^2, mean |z - t| or mean huber(z - t)',
  source: "PyTorch's `MSELoss`, `L1Loss`, `HuberLoss`; Huber 1964",
  options: {
    distance: z.enum(['mse', 'l1', 'huber']).default('mse'),
    delta: positive.default(1).describe('huber: errors beyond it count linearly'),
  },
  on: 'answer',
  target: 'vectors',
  over: 'labelled',
  tasks: ['regression'],
  written: ({ distance, delta }) => `regression (${distance}${distance === 'huber' ? `, delta ${delta}` : ''})`,
  compute: (input, { distance, delta }) => overElements(input, 1 / input.classes, penalties[distance](delta)),
});

const penalties: Readonly<Record<'mse' | 'l1' | 'huber', (delta: number) => Penalty>> = {
  mse: () => (z, target) => [(z - target) ** 2, 2 * (z - target)],
  l1: () => (z, target) => [Math.abs(z - target), Math.sign(z - target)],
  huber: (delta) => (z, target) => {
    const off = z - target;
    return Math.abs(off) <= delta
      ? [(off * off) / 2, off]
      : [delta * (Math.abs(off) - delta / 2), delta * Math.sign(off)];
  },
};
