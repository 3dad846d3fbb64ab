/**
 * Kernels over the wasm backend's memory, for what tfjs does in slow loops. Pointers are byte offsets of dense float32
 * tensors, channels last. Nothing is allocated and nothing is static. The order of every sum is fixed by the shapes.
 */
export { reluGradient } from './elementwise';
export { columnSums } from './sums';
export { maxPoolGradient } from './pooling';
export { normMoments, normForward, normSums, normGradient } from './norm';
export { filterGradient } from './convolution';
