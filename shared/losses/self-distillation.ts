/**
 * Self-distillation (Zhang et al. 2019): earlier taps of the student should be like a later one of its own, which is a
 * constant for the gradient. The distances are those of features.ts.
 */
import { z } from 'zod';
import { computeFeatures, featureDistance } from './features.js';
import { lossOnOwnTaps } from './loss.js';
import { adapterOptions } from './options.js';

export const selfDistillation = lossOnOwnTaps({
  name: 'selfDistillation',
  description: 'earlier taps against the later one, which is a constant',
  compares: 'earlier taps of the student with a later one of its own, a constant',
  formula: 'mean (s - t)^2, mean |s - t| or 1 - cos(s, t)',
  source: 'Zhang et al. 2019',
  options: {
    from: z.array(z.string().min(1)).min(1),
    to: z.string().min(1),
    distance: featureDistance,
    ...adapterOptions,
  },
  pairsIn: ({ from, to, adapter, batchNorm, activation }) =>
    from.map((student) => ({ student, teacher: null, to, adapter, batchNorm, activation })),
  sides: 'channels',
  over: 'samples',
  usual: { weight: 0.1, crossEntropy: 1, options: { from: ['pool1'], to: 'logits', adapter: 'dense' } },
  compute: computeFeatures,
});
