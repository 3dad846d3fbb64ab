/**
 * Losses between what student and ensemble give, as they are: z and u, [B x C].
 *
 *   mean square   value = mean_k (z_k - u_k)^2,  d/dz_k = 2 (z_k - u_k) / C          (Ba and Caruana 2014, on logits)
 *   cosine        value = 1 - cos(z, u)
 *   multi-label   value = T^2 sum_k KL(s(u_k / T) || s(z_k / T)),  s the logistic function of each class by itself,
 *                 d/dz_k = T (s(z_k / T) - s(u_k / T))
 */
import type { TermInput, TermValues } from './term.js';
import { cosine } from './math/vectors.js';

export function meanSquare(
  { logits_BC, classes, scale, gradient_BC }: TermInput,
  teacher_BC: Float32Array,
): TermValues {
  const values_B = new Float32Array(teacher_BC.length / classes);
  values_B.forEach((_, row) => {
    let sum = 0;
    for (let at = row * classes; at < (row + 1) * classes; at++) {
      const off = (logits_BC[at] ?? 0) - (teacher_BC[at] ?? 0);
      sum += off * off;
      gradient_BC[at] = (gradient_BC[at] ?? 0) + (scale * 2 * off) / classes;
    }
    values_B[row] = sum / classes;
  });
  return { values_B, count: values_B.length };
}

export function cosineDistance(
  { logits_BC, classes, scale, gradient_BC }: TermInput,
  teacher_BC: Float32Array,
): TermValues {
  const [x, y] = [Float64Array.from(logits_BC), Float64Array.from(teacher_BC)];
  const values_B = Float32Array.from(
    { length: y.length / classes },
    (_, row) => 1 - cosine({ x, y, at: row * classes, stride: 1, length: classes }, -scale, gradient_BC),
  );
  return { values_B, count: values_B.length };
}

export function multiLabel(
  { logits_BC, classes, scale, gradient_BC }: TermInput,
  teacher_BC: Float32Array,
  temperature: number,
): TermValues {
  const values_B = new Float32Array(teacher_BC.length / classes);
  values_B.forEach((_, row) => {
    let sum = 0;
    for (let at = row * classes; at < (row + 1) * classes; at++) {
      const [z, u] = [(logits_BC[at] ?? 0) / temperature, (teacher_BC[at] ?? 0) / temperature];
      const p = Math.exp(logLogistic(u));
      sum += p * (logLogistic(u) - logLogistic(z)) + Math.exp(logLogistic(-u)) * (logLogistic(-u) - logLogistic(-z));
      gradient_BC[at] = (gradient_BC[at] ?? 0) + scale * temperature * (Math.exp(logLogistic(z)) - p);
    }
    values_B[row] = temperature * temperature * sum;
  });
  return { values_B, count: values_B.length };
}

/** log(1 / (1 + exp(-x))), finite for every finite x. */
export function logLogistic(x: number): number {
  return x >= 0 ? -Math.log1p(Math.exp(-x)) : x - Math.log1p(Math.exp(x));
}
