/**
 * Weights of the teachers for each sample, by what they say of it: the recipe's weight times a factor of the teacher's
 * own distribution p = softmax(u), at temperature 1 whatever the label is softened at. Pure; float64 in a fixed order.
 *
 *   confidence   max_k p_k
 *   entropy      exp(-H(p)), one over the perplexity: 1 for a certain teacher, 1/C for one that knows nothing
 *                (entropy as the measure of what a teacher knows: Kwon et al. 2020)
 *   label        p_y, how likely the sample's own label is to the teacher (Zhang et al. 2022 weigh by its cross
 *                entropy); where a sample has no label, and where no teacher gives it any chance: 1
 */
export const weightRules = ['confidence', 'entropy', 'label'] as const;

export type WeightRule = (typeof weightRules)[number];

/**
 * @param logits_C a teacher's logits of one sample
 * @param label the sample's class; below 0 or undefined where it has none
 * @returns the factor of the teacher's weight, from 0 to 1
 */
export function weightFactor(by: WeightRule, logits_C: Float32Array, label: number | undefined): number {
  let max = -Infinity;
  for (const u of logits_C) max = Math.max(max, u);
  let sum = 0;
  for (const u of logits_C) sum += Math.exp(u - max);
  switch (by) {
    case 'confidence':
      return 1 / sum;
    case 'entropy':
      return Math.exp(-entropyOf(logits_C, max, sum));
    case 'label':
      return label === undefined || label < 0 ? 1 : Math.exp((logits_C[label] ?? -Infinity) - max) / sum;
    default:
      return by satisfies never;
  }
}

/** -sum_k p_k log p_k, in nats, with log p_k = u_k - max - log sum. */
function entropyOf(logits_C: Float32Array, max: number, sum: number): number {
  let entropy = 0;
  for (const u of logits_C) {
    const shifted = u - max;
    const p = Math.exp(shifted) / sum;
    if (p > 0) entropy -= p * (shifted - Math.log(sum));
  }
  return entropy;
}
