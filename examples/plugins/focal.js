/**
 * Focal loss (Lin et al. 2017), as a loss plug-in: cross entropy in which samples that are right already count less.
 *
 *   value = -(1 - q)^g log q,  q = softmax(z)[label]
 *   d value / dz_k = ((1 - q)^g - g q (1 - q)^(g-1) log q) x (q_k - [k = label])
 *
 *   losses:
 *     plugins:
 *       focal: { weight: 1, over: labelled, options: { gamma: 2 } }
 *
 * stillhouse run recipe.yaml --plugin examples/plugins/focal.js
 */
export function loss({ rows, classes, logits, labels, options }) {
  const { gamma = 2 } = options;
  const values = new Float64Array(rows);
  const gradient = new Float64Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    const label = labels[row];
    if (label < 0) continue;
    const z = logits.subarray(row * classes, (row + 1) * classes);
    const max = z.reduce((a, b) => Math.max(a, b), -Infinity);
    const logSum = max + Math.log(z.reduce((sum, value) => sum + Math.exp(value - max), 0));
    const logQ = z[label] - logSum;
    const q = Math.exp(logQ);
    const rest = Math.max(1 - q, 1e-12);
    values[row] = -(rest ** gamma) * logQ;
    const slope = rest ** gamma - gamma * q * rest ** (gamma - 1) * logQ;
    for (let k = 0; k < classes; k++)
      gradient[row * classes + k] = slope * (Math.exp(z[k] - logSum) - (k === label ? 1 : 0));
  }
  return { values, gradient };
}
