/**
 * The wasm backend's memory, and our SIMD kernels (assembly/) over it: for passes that its own kernels do slowly or not
 * at all. A pointer is good until the next allocation ends its tensor; a view, until memory grows.
 */
import { readFileSync } from 'node:fs';
export class Heap {
    #backend;
    #kernels;
    constructor(backend) {
        if (!isWasmBackend(backend))
            throw new Error('not the wasm backend');
        this.#backend = backend;
        this.#kernels = loadKernels(memoryOf(backend.wasm));
    }
    /** Allocates a float32 tensor; its content is undefined. */
    make(shape) {
        return this.#backend.makeOutput([...shape], 'float32');
    }
    free(info) {
        this.#backend.disposeData(info.dataId);
    }
    /** A tensor's values, as a view. */
    floats(info) {
        const values = this.#backend.typedArrayFromHeap(info);
        if (!(values instanceof Float32Array))
            throw new Error(`a kernel needs float32, not ${info.dtype}`);
        return values;
    }
    /** Runs one SIMD kernel; tensors are passed as their pointers. */
    run(name, ...args) {
        const kernel = this.#kernels[name];
        if (kernel === undefined)
            throw new Error(`kernels.wasm has no ${name}: run npm run build:kernels`);
        kernel(...args.map((arg) => (typeof arg === 'number' ? arg : this.#backend.getMemoryOffset(arg.dataId))));
    }
    /** Gives `body` a tensor of `count` float64 numbers to work in. */
    withDoubles(count, body) {
        const scratch = this.make([2 * count]);
        try {
            return body(scratch);
        }
        finally {
            this.free(scratch);
        }
    }
    /** Float64 numbers at the start of a tensor, as a view. */
    doubles(info, count) {
        const { buffer, byteOffset } = this.floats(info);
        return new Float64Array(buffer, byteOffset, count);
    }
}
function isWasmBackend(backend) {
    return 'wasm' in backend && 'makeOutput' in backend && 'getMemoryOffset' in backend && 'typedArrayFromHeap' in backend;
}
/** tfjs's module exports its memory; that is not part of its documented interface, so a new version may need a look. */
function memoryOf(wasm) {
    const exported = 'asm' in wasm ? wasm.asm : undefined;
    const memory = typeof exported === 'object' && exported !== null && 'memory' in exported ? exported.memory : undefined;
    if (!(memory instanceof WebAssembly.Memory))
        throw new Error("this version of tfjs's wasm backend does not show its memory");
    return memory;
}
function loadKernels(memory) {
    const module = new WebAssembly.Module(readFileSync(new URL('./kernels.wasm', import.meta.url)));
    const kernels = {};
    for (const [name, value] of Object.entries(new WebAssembly.Instance(module, { env: { memory } }).exports)) {
        if (typeof value === 'function')
            kernels[name] = (...args) => void value(...args);
    }
    return kernels;
}
export function infoOf(inputs, name) {
    const found = inputs[name];
    if (found === undefined)
        throw new Error(`a kernel needs the input ${name}`);
    return found;
}
//# sourceMappingURL=heap.js.map