/**
 * The student's output z and the ensemble's u as vectors, for students that give embeddings or numbers:
 *
 *   mse      value = mean_k (z_k - u_k)^2, as logit-mse.ts
 *   cosine   value = 1 - cos(z, u)
 */
import { z } from 'zod';
import { computeMeanSquare } from './logit-mse.js';
import { lossOnOutputs } from './loss.js';
import type { LossValues, TargetInput } from './math/inputs.js';
import { cosine } from './math/vectors.js';

export const embedding = lossOnOutputs({
  name: 'embedding',
  description: "the student's output against the ensemble's, as vectors",
  compares: "the answer with the ensemble's, as vectors of any meaning",
  formula: 'mean (z - u)^2 or 1 - cos(z, u)',
  source: "PyTorch's `MSELoss` and `CosineEmbeddingLoss`",
  options: { distance: z.enum(['mse', 'cosine']).default('mse') },
  on: 'answer',
  target: 'logits',
  over: 'samples',
  compute: (input, { distance }) => (distance === 'mse' ? computeMeanSquare : computeCosineDistance)(input),
});

function computeCosineDistance({ logits_BC, classes, target_BC, scale, gradient_BC }: TargetInput): LossValues {
  const [x, y] = [Float64Array.from(logits_BC), Float64Array.from(target_BC)];
  const values_B = Float32Array.from(
    { length: y.length / classes },
    (_, row) => 1 - cosine({ x, y, at: row * classes, stride: 1, length: classes }, -scale, gradient_BC),
  );
  return { values_B, count: values_B.length };
}
