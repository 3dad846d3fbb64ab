/**
 * Loads the SIMD kernels over one shared memory. Any number of threads may load them over the same memory: the module
 * has no data section and writes nothing when it is instantiated.
 *
 * Pointers are byte offsets into the memory, multiples of 16; `n` counts float32 elements, a multiple of 4. Scalars are
 * rounded to float32 once, on the way in. Nothing checks bounds but WebAssembly itself, at the memory's end.
 */
import { readFileSync } from 'node:fs';

/** Whole arrays: assembly/arrays.ts and assembly/hash.ts. */
export interface ArrayKernels {
  /** dst[i] = dst[i] + src[i] */
  add(dst: number, src: number, n: number): void;
  /** dst[i] = 0 */
  fillZero(dst: number, n: number): void;
  /** The sum of src[i]^2 in float64, in an order fixed by `n`. */
  sumOfSquares(src: number, n: number): number;
  /** Whether no element is infinite or NaN. */
  isFinite(src: number, n: number): boolean;
  /** A hash of any number of bytes from `at` on, as 16 hex digits. */
  hash(at: number, bytes: number): string;
}

/** The same hash and sum of squares, taken of parts that follow each other, with what is between them in the memory. */
export interface RunningKernels {
  /** Begins a hash, in 192 bytes at `state`. */
  openHash(state: number): void;
  /** Goes on by `bytes` bytes, a multiple of 128. */
  addToHash(state: number, at: number, bytes: number): void;
  /** The hash of `total` bytes, of which these are the last: any number. The state is of no use afterwards. */
  closeHash(state: number, at: number, bytes: number, total: number): string;
  /** Goes on with a sum, 64 bytes at `pairs` that are zero at first, by a multiple of 8 elements. */
  addSquares(pairs: number, src: number, n: number): void;
  /** The sum, with the last n elements. */
  closeSquares(pairs: number, src: number, n: number): number;
}

/** Rounded gradients: assembly/bf16.ts and assembly/int8.ts. What is encoded or added to as int8 must start a block. */
export interface RoundingKernels {
  /** dst (bf16) = src (float32), rounded. */
  encodeBf16(dst: number, src: number, n: number): void;
  /** dst (float32) = src (bf16) */
  decodeBf16(dst: number, src: number, n: number): void;
  /** dst = dst + src, both bf16, the sum rounded. */
  addBf16(dst: number, src: number, n: number): void;
  /** Whether no bf16 element is infinite or NaN. */
  isFiniteBf16(src: number, n: number): boolean;
  /** codes and scales = src (float32), rounded. */
  encodeInt8(codes: number, scales: number, src: number, n: number): void;
  /** dst (float32) = codes x scales */
  decodeInt8(dst: number, codes: number, scales: number, n: number): void;
  /** codes and scales = their own elements + the other's, the sum rounded. */
  addInt8(codes: number, scales: number, otherCodes: number, otherScales: number, n: number): void;
}

/** Updates of n weights w by their gradient g and the optimizer's moments m and v: assembly/optimizers.ts. */
export interface UpdateKernels {
  sgd(w: number, g: number, n: number, scalars: SgdScalars): void;
  momentum(w: number, g: number, m: number, n: number, scalars: MomentumScalars): void;
  nesterov(w: number, g: number, m: number, n: number, scalars: MomentumScalars): void;
  /** Adam and AdamW. */
  adam(w: number, g: number, m: number, v: number, n: number, scalars: AdamScalars): void;
  /** a = a + share x (w - a) */
  average(a: number, w: number, n: number, share: number): void;
  /** a = momentum x a + share x x */
  movingAverage(a: number, x: number, n: number, momentum: number, share: number): void;
}

/** All kernels of a replica, over its memory. */
export interface Kernels extends ArrayKernels, RunningKernels, RoundingKernels, UpdateKernels {}

/** The gradient is multiplied by `clip` before anything else is done with it. */
export interface SgdScalars {
  readonly clip: number;
  readonly learningRate: number;
  readonly weightDecay: number;
}

/** The scalars of SGD with momentum. */
export interface MomentumScalars extends SgdScalars {
  readonly momentum: number;
}

/** The letters of the formula in assembly/optimizers.ts. */
export interface AdamScalars {
  readonly clip: number;
  readonly stepSize: number;
  readonly weightDecay: number;
  readonly keep: number;
  readonly share1: number;
  readonly beta2: number;
  readonly share2: number;
  readonly inverseRoot: number;
  readonly epsilon: number;
}

/** @throws Error when kernels.wasm is not built, or lacks a kernel */
export function loadKernels(memory: WebAssembly.Memory): Kernels {
  const { exports } = new WebAssembly.Instance(compileKernels(), { env: { memory } });
  const kernel: Lookup = (name) => {
    const value = exports[name];
    if (typeof value !== 'function') throw new Error(`kernels.wasm exports no ${name}: run npm run build:kernels`);
    return value;
  };
  return { ...arrayKernels(kernel), ...runningKernels(kernel), ...roundingKernels(kernel), ...updateKernels(kernel) };
}

let compiled: WebAssembly.Module | undefined;

function compileKernels(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readFileSync(new URL('./kernels.wasm', import.meta.url)));
  return compiled;
}

type Lookup = (name: string) => (...args: number[]) => unknown;

function arrayKernels(kernel: Lookup): ArrayKernels {
  const sumOfSquares = kernel('sumOfSquares');
  const allFinite = kernel('allFinite');
  const hash64 = kernel('hash64');
  return {
    add: kernel('add'),
    fillZero: kernel('fillZero'),
    sumOfSquares: (src, n) => Number(sumOfSquares(src, n)),
    isFinite: (src, n) => allFinite(src, n) === 1,
    hash: (at, bytes) => hex64(hash64(at, bytes)),
  };
}

function runningKernels(kernel: Lookup): RunningKernels {
  const closeHash = kernel('closeHash');
  const closeSquares = kernel('closeSquares');
  return {
    openHash: kernel('openHash'),
    addToHash: kernel('addToHash'),
    closeHash: (state, at, bytes, total) => hex64(closeHash(state, at, bytes, total)),
    addSquares: kernel('addSquares'),
    closeSquares: (pairs, src, n) => Number(closeSquares(pairs, src, n)),
  };
}

function hex64(word: unknown): string {
  if (typeof word !== 'bigint') throw new Error('a hash kernel gave no 64-bit word');
  return BigInt.asUintN(64, word).toString(16).padStart(16, '0');
}

function roundingKernels(kernel: Lookup): RoundingKernels {
  const allFiniteBf16 = kernel('allFiniteBf16');
  return {
    encodeBf16: kernel('encodeBf16'),
    decodeBf16: kernel('decodeBf16'),
    addBf16: kernel('addBf16'),
    isFiniteBf16: (src, n) => allFiniteBf16(src, n) === 1,
    encodeInt8: kernel('encodeInt8'),
    decodeInt8: kernel('decodeInt8'),
    addInt8: kernel('addInt8'),
  };
}

function updateKernels(kernel: Lookup): UpdateKernels {
  const sgd = kernel('sgd');
  const momentum = kernel('momentum');
  const nesterov = kernel('nesterov');
  const adam = kernel('adam');
  return {
    sgd: (w, g, n, s) => void sgd(w, g, n, s.clip, s.learningRate, s.weightDecay),
    momentum: (w, g, m, n, s) => void momentum(w, g, m, n, s.clip, s.learningRate, s.weightDecay, s.momentum),
    nesterov: (w, g, m, n, s) => void nesterov(w, g, m, n, s.clip, s.learningRate, s.weightDecay, s.momentum),
    adam: (w, g, m, v, n, s) => {
      const { clip, stepSize, weightDecay, keep, share1, beta2, share2, inverseRoot, epsilon } = s;
      adam(w, g, m, v, n, clip, stepSize, weightDecay, keep, share1, beta2, share2, inverseRoot, epsilon);
    },
    average: kernel('average'),
    movingAverage: kernel('movingAverage'),
  };
}
