/** Clipping by global norm, as torch.nn.utils.clip_grad_norm_. */

/** Added to the norm before the division, as PyTorch does. */
const epsilon = 1e-6;

/**
 * The factor that the gradient is multiplied by: min(1, clipNorm / (sqrt(squares) + 1e-6)); 1 without a clipNorm.
 *
 * @param gradientSquares sum of squares of the gradient of all weights that move
 */
export function clipFactor(clipNorm: number | undefined, gradientSquares: number): number {
  return clipNorm === undefined ? 1 : Math.min(1, clipNorm / (Math.sqrt(gradientSquares) + epsilon));
}
