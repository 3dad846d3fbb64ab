/**
 * The wasm backend's memory, and our SIMD kernels (assembly/) over it: for passes that its own kernels do slowly or not
 * at all. A pointer is good until the next allocation ends its tensor; a view, until memory grows.
 */
import { readFileSync } from 'node:fs';
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import type { TensorFlow } from '../backend.js';

/** A kernel over the memory; its arguments are pointers and sizes, as in assembly/. */
export type Simd = Readonly<Record<string, (...args: number[]) => void>>;

/** A kernel that computes on the memory itself. It allocates what it gives. */
export type HeapKernel = (
  tf: TensorFlow,
  heap: Heap,
  inputs: NamedTensorInfoMap,
  attrs: NamedAttrMap,
) => TensorInfo | TensorInfo[];

/** The part of the wasm backend that is used here. */
interface WasmBackend {
  readonly wasm: object;
  makeOutput(shape: number[], dtype: 'float32'): TensorInfo;
  getMemoryOffset(dataId: object): number;
  typedArrayFromHeap(info: TensorInfo): ArrayLike<number>;
  disposeData(dataId: object): boolean;
}

/** The memory of an open wasm backend: makes tensors in it, and runs our kernels on them. */
export class Heap {
  readonly #backend: WasmBackend;
  readonly #kernels: Simd;

  constructor(backend: object) {
    if (!isWasmBackend(backend)) throw new Error('not the wasm backend');
    this.#backend = backend;
    this.#kernels = loadKernels(memoryOf(backend.wasm));
  }

  /** Allocates a float32 tensor; its content is undefined. */
  make(shape: readonly number[]): TensorInfo {
    return this.#backend.makeOutput([...shape], 'float32');
  }

  free(info: TensorInfo): void {
    this.#backend.disposeData(info.dataId);
  }

  /** A tensor's values, as a view. */
  floats(info: TensorInfo): Float32Array {
    const values = this.#backend.typedArrayFromHeap(info);
    if (!(values instanceof Float32Array)) throw new Error(`a kernel needs float32, not ${info.dtype}`);
    return values;
  }

  /** Runs one SIMD kernel; tensors are passed as their pointers. */
  run(name: string, ...args: readonly (TensorInfo | number)[]): void {
    const kernel = this.#kernels[name];
    if (kernel === undefined) throw new Error(`kernels.wasm has no ${name}: run npm run build:kernels`);
    kernel(...args.map((arg) => (typeof arg === 'number' ? arg : this.#backend.getMemoryOffset(arg.dataId))));
  }

  /** Gives `body` a tensor of `count` float64 numbers to work in. */
  withDoubles<T>(count: number, body: (scratch: TensorInfo) => T): T {
    const scratch = this.make([2 * count]);
    try {
      return body(scratch);
    } finally {
      this.free(scratch);
    }
  }

  /** Float64 numbers at the start of a tensor, as a view. */
  doubles(info: TensorInfo, count: number): Float64Array {
    const { buffer, byteOffset } = this.floats(info);
    return new Float64Array(buffer, byteOffset, count);
  }
}

function isWasmBackend(backend: object): backend is WasmBackend {
  return (
    'wasm' in backend && 'makeOutput' in backend && 'getMemoryOffset' in backend && 'typedArrayFromHeap' in backend
  );
}

/** tfjs's module exports its memory; that is not part of its documented interface, so a new version may need a look. */
function memoryOf(wasm: object): WebAssembly.Memory {
  const exported: unknown = 'asm' in wasm ? wasm.asm : undefined;
  const memory: unknown =
    typeof exported === 'object' && exported !== null && 'memory' in exported ? exported.memory : undefined;
  if (!(memory instanceof WebAssembly.Memory))
    throw new Error("this version of tfjs's wasm backend does not show its memory");
  return memory;
}

function loadKernels(memory: WebAssembly.Memory): Simd {
  const module = new WebAssembly.Module(readFileSync(new URL('./kernels.wasm', import.meta.url)));
  const kernels: Record<string, (...args: number[]) => void> = {};
  for (const [name, value] of Object.entries(new WebAssembly.Instance(module, { env: { memory } }).exports)) {
    if (typeof value === 'function') kernels[name] = (...args) => void value(...args);
  }
  return kernels;
}

/** A kernel's input by its name. @throws Error when the engine has not given it */
export function infoOf(inputs: NamedTensorInfoMap, name: string): TensorInfo {
  const found = inputs[name];
  if (found === undefined) throw new Error(`a kernel needs the input ${name}`);
  return found;
}
