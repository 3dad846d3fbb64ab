/**
 * Loads the SIMD kernels over one shared memory. Any number of threads may load them over the same memory: the module
 * has no data section and writes nothing when it is instantiated.
 *
 * Pointers are byte offsets, multiples of 16; `n` counts floats, a multiple of 4. Scalars are rounded to float32 once,
 * on the way in. Nothing checks bounds but WebAssembly itself, at the memory's end.
 */
import { readFileSync } from 'node:fs';
import { exitCodes, UserError } from '../../errors.js';

const pageBytes = 65536;
/** The module's declared maximum; address space only, pages are real once touched. */
const maximumPages = 65536;
/** One page short of 4 GiB, so that an end pointer still fits 32 bits. */
export const maximumBytes = (maximumPages - 1) * pageBytes;

export interface Kernels {
  /** dst[i] = dst[i] + src[i] */
  add(dst: number, src: number, n: number): void;
  /** dst[i] = dst[i] x factor */
  scale(dst: number, n: number, factor: number): void;
  copy(dst: number, src: number, n: number): void;
  fillZero(dst: number, n: number): void;
  /** Sum of squares in float64, in an order fixed by `n`. */
  sumOfSquares(src: number, n: number): number;
  isFinite(src: number, n: number): boolean;
  /**
   * Gradients rounded to bf16 (assembly/bf16.ts): dst = src; dst, float32 = src; dst = dst + src; whether all is
   * finite.
   */
  encodeBf16(dst: number, src: number, n: number): void;
  decodeBf16(dst: number, src: number, n: number): void;
  addBf16(dst: number, src: number, n: number): void;
  isFiniteBf16(src: number, n: number): boolean;
  /** Gradients as codes and scales (assembly/int8.ts). What is encoded or added to must start a block. */
  encodeInt8(codes: number, scales: number, src: number, n: number): void;
  decodeInt8(dst: number, codes: number, scales: number, n: number): void;
  addInt8(codes: number, scales: number, otherCodes: number, otherScales: number, n: number): void;
  /** 16 hex digits over any number of bytes. */
  hash(at: number, bytes: number): string;
  /** 32 bits of the same hash. */
  checksum(at: number, bytes: number): number;
  sgd(w: number, g: number, n: number, scalars: SgdScalars): void;
  momentum(w: number, g: number, m: number, n: number, scalars: MomentumScalars): void;
  nesterov(w: number, g: number, m: number, n: number, scalars: MomentumScalars): void;
  adam(w: number, g: number, m: number, v: number, n: number, scalars: AdamScalars): void;
  /** a = a + share x (w - a) */
  average(a: number, w: number, n: number, share: number): void;
  /** a = momentum x a + share x x */
  movingAverage(a: number, x: number, n: number, momentum: number, share: number): void;
}

export interface SgdScalars {
  readonly clip: number;
  readonly learningRate: number;
  readonly weightDecay: number;
}

export interface MomentumScalars extends SgdScalars {
  readonly momentum: number;
}

/** See assembly/optimizers.ts for the formula. */
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

/** @throws UserError when more than one memory can hold, or more than the machine gives. */
export function createMemory(bytes: number): WebAssembly.Memory {
  if (bytes > maximumBytes) {
    throw new UserError(
      `replica needs ${bytes} bytes of memory; one memory holds at most ${maximumBytes}`,
      exitCodes.data,
    );
  }
  const initial = Math.max(1, Math.ceil(bytes / pageBytes));
  try {
    return new WebAssembly.Memory({ initial, maximum: maximumPages, shared: true });
  } catch (cause) {
    throw new UserError(`cannot allocate ${bytes} bytes of memory for the replica`, exitCodes.unavailable, cause);
  }
}

let compiled: WebAssembly.Module | undefined;

function compileKernels(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readFileSync(new URL('./kernels.wasm', import.meta.url)));
  return compiled;
}

export function loadKernels(memory: WebAssembly.Memory): Kernels {
  const { exports } = new WebAssembly.Instance(compileKernels(), { env: { memory } });
  const kernel = (name: string): ((...args: number[]) => unknown) => {
    const value = exports[name];
    if (typeof value !== 'function') throw new Error(`kernels.wasm exports no ${name}: run npm run build:kernels`);
    return (...args) => value(...args);
  };
  return { ...arrayKernels(kernel), ...roundingKernels(kernel), ...optimizerKernels(kernel) };
}

type Lookup = (name: string) => (...args: number[]) => unknown;

function arrayKernels(
  kernel: Lookup,
): Pick<Kernels, 'add' | 'scale' | 'copy' | 'fillZero' | 'sumOfSquares' | 'isFinite' | 'hash' | 'checksum'> {
  const sumOfSquares = kernel('sumOfSquares');
  const allFinite = kernel('allFinite');
  const hash64 = kernel('hash64');
  return {
    add: kernel('add'),
    scale: kernel('scale'),
    copy: kernel('copy'),
    fillZero: kernel('fillZero'),
    sumOfSquares: (src, n) => Number(sumOfSquares(src, n)),
    isFinite: (src, n) => allFinite(src, n) === 1,
    hash: (at, bytes) => word64(hash64(at, bytes)).toString(16).padStart(16, '0'),
    checksum: (at, bytes) => Number(BigInt.asUintN(32, word64(hash64(at, bytes)))),
  };
}

type RoundingKernels = Pick<
  Kernels,
  'encodeBf16' | 'decodeBf16' | 'addBf16' | 'isFiniteBf16' | 'encodeInt8' | 'decodeInt8' | 'addInt8'
>;

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

function word64(word: unknown): bigint {
  if (typeof word !== 'bigint') throw new Error('hash64 gave no 64-bit word');
  return BigInt.asUintN(64, word);
}

function optimizerKernels(
  kernel: Lookup,
): Omit<Kernels, keyof ReturnType<typeof arrayKernels> | keyof RoundingKernels> {
  const sgd = kernel('sgd');
  const momentum = kernel('momentum');
  const nesterov = kernel('nesterov');
  const adam = kernel('adam');
  return {
    sgd: (w, g, n, s) => void sgd(w, g, n, s.clip, s.learningRate, s.weightDecay),
    momentum: (w, g, m, n, s) => void momentum(w, g, m, n, s.clip, s.learningRate, s.weightDecay, s.momentum),
    nesterov: (w, g, m, n, s) => void nesterov(w, g, m, n, s.clip, s.learningRate, s.weightDecay, s.momentum),
    adam: (w, g, m, v, n, s) =>
      void adam(
        w,
        g,
        m,
        v,
        n,
        s.clip,
        s.stepSize,
        s.weightDecay,
        s.keep,
        s.share1,
        s.beta2,
        s.share2,
        s.inverseRoot,
        s.epsilon,
      ),
    average: kernel('average'),
    movingAverage: kernel('movingAverage'),
  };
}
