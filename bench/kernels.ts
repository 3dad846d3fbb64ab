/**
 * Milliseconds of the replica's kernels over 25 million parameters, on one core; the floor of a step without a network.
 */
import { loadKernels, type Kernels } from '../shared/replica/kernels/kernels.js';
import { createMemory } from '../shared/replica/kernels/memory.js';
import { codecOf, gradientBytes } from '../shared/replica/reduction/encoding.js';

export interface KernelTiming {
  readonly kernel: string;
  /** Median over the repetitions. */
  readonly milliseconds: number;
  /** Bytes read and written, per second. */
  readonly gigabytesPerSec: number;
}

const adamScalars = {
  clip: 0.5,
  stepSize: 1e-3,
  weightDecay: 0,
  keep: 1,
  share1: 0.1,
  beta2: 0.999,
  share2: 1e-3,
  inverseRoot: 1,
  epsilon: 1e-8,
};

/** @param parameters a multiple of 4 */
export function benchKernels(parameters = 25_000_000, repetitions = 15): KernelTiming[] {
  const region = 4 * parameters;
  const memory = createMemory(4 * region);
  const kernels = loadKernels(memory);
  new Float32Array(memory.buffer).forEach((_, i, all) => (all[i] = 1 + (i % 1000) / 1000));
  return Object.entries(calls(kernels, region, parameters)).map(([kernel, { passes, call }]) => {
    const milliseconds = median(Array.from({ length: repetitions }, () => timed(call)));
    return { kernel, milliseconds, gigabytesPerSec: (passes * region) / milliseconds / 1e6 };
  });
}

/** `passes`: how many times a region is read or written. */
function calls(kernels: Kernels, region: number, n: number): Record<string, { passes: number; call: () => unknown }> {
  const momentum = { clip: 0.5, learningRate: 1e-3, weightDecay: 1e-4, momentum: 0.9 };
  return {
    add: { passes: 3, call: () => kernels.add(0, region, n) },
    sumOfSquares: { passes: 1, call: () => kernels.sumOfSquares(0, n) },
    isFinite: { passes: 1, call: () => kernels.isFinite(0, n) },
    hash: { passes: 1, call: () => kernels.hash(0, region) },
    sgd: { passes: 3, call: () => kernels.sgd(0, region, n, momentum) },
    momentum: { passes: 5, call: () => kernels.momentum(0, region, 2 * region, n, momentum) },
    adam: { passes: 7, call: () => kernels.adam(0, region, 2 * region, 3 * region, n, adamScalars) },
    ...rounding('bf16', kernels, region, n),
    ...rounding('int8', kernels, region, n),
  };
}

/** Times the rounding of gradients in slots: `add` reads two rounded ones and writes one. */
function rounding(
  name: 'bf16' | 'int8',
  kernels: Kernels,
  region: number,
  n: number,
): Record<string, { passes: number; call: () => unknown }> {
  const codec = codecOf(name, kernels, n);
  const share = gradientBytes(name, n) / region;
  return {
    [`${name} encode`]: { passes: 1 + share, call: () => codec.encode(region, 0) },
    [`${name} decode`]: { passes: 1 + share, call: () => codec.decode(3 * region, region, 0, n) },
    [`${name} add`]: { passes: 3 * share, call: () => codec.add(2 * region, region) },
  };
}

function timed(call: () => unknown): number {
  const start = performance.now();
  call();
  return performance.now() - start;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** One line a kernel, for the console. */
export function kernelTable(timings: readonly KernelTiming[]): string {
  return timings
    .map(
      ({ kernel, milliseconds, gigabytesPerSec }) =>
        `${kernel.padEnd(14)}${milliseconds.toFixed(1).padStart(8)} ms${gigabytesPerSec.toFixed(1).padStart(8)} GB/s`,
    )
    .join('\n');
}

if (process.argv[1] === import.meta.filename) console.log(kernelTable(benchKernels()));
