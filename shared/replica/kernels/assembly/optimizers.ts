/**
 * One update of a range of weights, in place. The gradient g is clipped first: g = clip x g. Formulas follow PyTorch 2
 * (torch.optim.SGD, Adam, AdamW, the single-tensor code), with every scalar computed by the caller.
 */

/** w = w - learningRate x (clip x g + weightDecay x w) */
export function sgd(w: usize, g: usize, n: u32, clip: f32, learningRate: f32, weightDecay: f32): void {
  const end = w + ((<usize>n) << 2);
  const clips = f32x4.splat(clip);
  const rates = f32x4.splat(learningRate);
  const decays = f32x4.splat(weightDecay);
  for (; w < end; w += 16, g += 16) {
    const weight = v128.load(w);
    const gradient = f32x4.add(f32x4.mul(v128.load(g), clips), f32x4.mul(weight, decays));
    v128.store(w, f32x4.sub(weight, f32x4.mul(gradient, rates)));
  }
}

/** g = clip x g + weightDecay x w; m = factor x m + g; w = w - learningRate x m */
export function momentum(w: usize, g: usize, m: usize, n: u32, clip: f32, learningRate: f32, weightDecay: f32, factor: f32): void {
  const end = w + ((<usize>n) << 2);
  const clips = f32x4.splat(clip);
  const rates = f32x4.splat(learningRate);
  const decays = f32x4.splat(weightDecay);
  const factors = f32x4.splat(factor);
  for (; w < end; w += 16, g += 16, m += 16) {
    const weight = v128.load(w);
    const gradient = f32x4.add(f32x4.mul(v128.load(g), clips), f32x4.mul(weight, decays));
    const moment = f32x4.add(f32x4.mul(v128.load(m), factors), gradient);
    v128.store(m, moment);
    v128.store(w, f32x4.sub(weight, f32x4.mul(moment, rates)));
  }
}

/** As momentum, but w = w - learningRate x (g + factor x m). */
export function nesterov(w: usize, g: usize, m: usize, n: u32, clip: f32, learningRate: f32, weightDecay: f32, factor: f32): void {
  const end = w + ((<usize>n) << 2);
  const clips = f32x4.splat(clip);
  const rates = f32x4.splat(learningRate);
  const decays = f32x4.splat(weightDecay);
  const factors = f32x4.splat(factor);
  for (; w < end; w += 16, g += 16, m += 16) {
    const weight = v128.load(w);
    const gradient = f32x4.add(f32x4.mul(v128.load(g), clips), f32x4.mul(weight, decays));
    const moment = f32x4.add(f32x4.mul(v128.load(m), factors), gradient);
    v128.store(m, moment);
    v128.store(w, f32x4.sub(weight, f32x4.mul(f32x4.add(gradient, f32x4.mul(moment, factors)), rates)));
  }
}

/**
 * Adam with L2 decay (keep = 1) and AdamW (weightDecay = 0, keep = 1 - learningRate x decay) in one:
 *   g = clip x g + weightDecay x w;  m = m + share1 x (g - m);  v = beta2 x v + share2 x g x g
 *   w = keep x w - stepSize x m / (sqrt(v) x inverseRoot + epsilon)
 * share = 1 - beta, stepSize = learningRate / (1 - beta1^t), inverseRoot = 1 / sqrt(1 - beta2^t).
 */
export function adam(
  w: usize, g: usize, m: usize, v: usize, n: u32, clip: f32, stepSize: f32, weightDecay: f32, keep: f32,
  share1: f32, beta2: f32, share2: f32, inverseRoot: f32, epsilon: f32,
): void {
  const end = w + ((<usize>n) << 2);
  for (; w < end; w += 16, g += 16, m += 16, v += 16) {
    const weight = v128.load(w);
    const gradient = f32x4.add(f32x4.mul(v128.load(g), f32x4.splat(clip)), f32x4.mul(weight, f32x4.splat(weightDecay)));
    const first = v128.load(m);
    const mean = f32x4.add(first, f32x4.mul(f32x4.sub(gradient, first), f32x4.splat(share1)));
    const square = f32x4.add(f32x4.mul(v128.load(v), f32x4.splat(beta2)), f32x4.mul(f32x4.mul(gradient, gradient), f32x4.splat(share2)));
    v128.store(m, mean);
    v128.store(v, square);
    const root = f32x4.add(f32x4.mul(f32x4.sqrt(square), f32x4.splat(inverseRoot)), f32x4.splat(epsilon));
    v128.store(w, f32x4.sub(f32x4.mul(weight, f32x4.splat(keep)), f32x4.div(f32x4.mul(mean, f32x4.splat(stepSize)), root)));
  }
}

/** Exponential moving average of the weights: a = a + share x (w - a); unchanged to the bit where a equals w. */
export function average(a: usize, w: usize, n: u32, share: f32): void {
  const end = a + ((<usize>n) << 2);
  const shares = f32x4.splat(share);
  for (; a < end; a += 16, w += 16) {
    const held = v128.load(a);
    v128.store(a, f32x4.add(held, f32x4.mul(f32x4.sub(v128.load(w), held), shares)));
  }
}

/** Batch norm's moving values: a = momentum x a + share x x, share = 1 - momentum. */
export function movingAverage(a: usize, x: usize, n: u32, momentum: f32, share: f32): void {
  const end = a + ((<usize>n) << 2);
  const momenta = f32x4.splat(momentum);
  const shares = f32x4.splat(share);
  for (; a < end; a += 16, x += 16) {
    v128.store(a, f32x4.add(f32x4.mul(v128.load(a), momenta), f32x4.mul(v128.load(x), shares)));
  }
}
