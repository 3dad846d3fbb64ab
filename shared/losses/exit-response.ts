/**
 * Be your own teacher (BYOT, Zhang et al. 2019), the soft labels' part: each of the student's earlier exits learns from
 * the last one, a constant, as response.ts has it of the answer and the ensemble. The term's value is their sum.
 */
import { lossOnOutputs } from './loss.js';
import { usualTemperatures } from './options.js';
import { computeResponse } from './response.js';

export const exitResponse = lossOnOutputs({
  name: 'exitResponse',
  description: "BYOT: T^2 x KL(student's last exit, a constant || each earlier exit), their sum",
  compares: "each of the student's earlier exits with its last one, a constant, their sum",
  formula: 'sum over exits of T^2 KL(p || q)',
  source: 'BYOT, Zhang et al. 2019',
  options: {},
  temperature: { default: 3, usual: usualTemperatures },
  on: 'exits',
  target: 'lastExit',
  over: 'samples',
  tasks: ['classes', 'sequence'],
  written: (_options, { square, at }) => `${square} x sum of KL(last exit || earlier exits at ${at})`,
  compute: computeResponse,
});
