import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { loadKernels } from '../../../../shared/replica/kernels/kernels.js';
import { createMemory, maximumBytes } from '../../../../shared/replica/kernels/memory.js';
import { randomStream } from '../../../../shared/random.js';

/** Some memory with kernels and float views at multiples of 64 KiB. */
function bench(regions = 8) {
  const memory = createMemory(regions * 65536);
  return {
    memory,
    kernels: loadKernels(memory),
    at: (i: number) => i * 65536,
    floats: (i: number, n: number) => new Float32Array(memory.buffer, i * 65536, n),
  };
}

function normals(n: number, seed: number): Float32Array {
  const stream = randomStream([seed, 'kernels']);
  return Float32Array.from({ length: n }, () => (stream.float() + stream.float() + stream.float() - 1.5) * 2);
}

const f = Math.fround;
const sizes = [4, 8, 12, 16, 20, 60, 64, 1000, 4096];

describe('array kernels', () => {
  it.each(sizes)('add and clear %i floats as float32 arithmetic does, and nothing beyond', (n) => {
    const { kernels, at, floats } = bench();
    const [a, b] = [normals(n, 1), normals(n, 2)];
    floats(0, n + 4).set([...a, 7, 7, 7, 7]);
    floats(1, n).set(b);
    kernels.add(at(0), at(1), n);
    const sum = a.map((x, i) => f(x + (b[i] ?? 0)));
    expect([...floats(0, n + 4)]).toEqual([...sum, 7, 7, 7, 7]);
    kernels.fillZero(at(0), n);
    expect([...floats(0, n + 4)]).toEqual([...new Float32Array(n), 7, 7, 7, 7]);
  });

  it.each(sizes)('the sum of squares of %i floats is taken in float64 in the documented order', (n) => {
    const { kernels, at, floats } = bench();
    const values = normals(n, 3);
    floats(0, n + 4).set([...values, 1e9, 1e9, 1e9, 1e9]);
    const lanes = new Float64Array(8);
    values.forEach((x, i) => (lanes[i % 8] = (lanes[i % 8] ?? 0) + x * x));
    const [a = 0, b = 0, c = 0, d = 0, e = 0, g = 0, h = 0, i = 0] = lanes;
    expect(kernels.sumOfSquares(at(0), n)).toBe(a + c + (e + h) + (b + d + (g + i)));
  });

  it('squares do not overflow where float32 would', () => {
    const { kernels, at, floats } = bench();
    floats(0, 4).set([1e30, 0, 0, 2e30]);
    expect(kernels.sumOfSquares(at(0), 4) / 5e60).toBeCloseTo(1, 6);
  });

  it.each([NaN, Infinity, -Infinity])('%d is found wherever it stands; huge, tiny and zero are finite', (bad) => {
    const { kernels, at, floats } = bench();
    const n = 24;
    const values = floats(0, n);
    values.set([3.4028234e38, -3.4028234e38, 1e-45, -0, 0]);
    expect(kernels.isFinite(at(0), n)).toBe(true);
    for (let i = 0; i < n; i++) {
      const held = values[i] ?? 0;
      values[i] = bad;
      expect(kernels.isFinite(at(0), n)).toBe(false);
      values[i] = held;
    }
    floats(0, n + 1)[n] = bad;
    expect(kernels.isFinite(at(0), n)).toBe(true);
  });
});

describe('the module', () => {
  it('has no data section and no start function, and imports nothing but its memory', () => {
    const bytes = readFileSync(new URL('../../../../shared/replica/kernels/kernels.wasm', import.meta.url));
    const sections = sectionIds(bytes);
    expect(sections).toContain(10);
    expect(sections).not.toContain(8);
    expect(sections).not.toContain(11);
    expect(sections).not.toContain(12);
  });

  it('a second instance over one memory leaves every byte as it is', () => {
    const { memory } = bench(4);
    const all = new Uint8Array(memory.buffer);
    all.forEach((_, i) => (all[i] = (i * 37 + 11) & 255));
    const before = Buffer.from(all);
    loadKernels(memory);
    expect(Buffer.from(all).equals(before)).toBe(true);
  });

  it('another thread sees and changes the same memory', async () => {
    const { memory, kernels, at, floats } = bench();
    floats(0, 4).set([1, 2, 3, 4]);
    floats(1, 4).set([10, 20, 30, 40]);
    const source = `const { workerData, parentPort } = require('node:worker_threads');
      const instance = new WebAssembly.Instance(new WebAssembly.Module(workerData.code), { env: { memory: workerData.memory } });
      instance.exports.add(0, 65536, 4); parentPort.postMessage('done');`;
    const code = readFileSync(new URL('../../../../shared/replica/kernels/kernels.wasm', import.meta.url));
    const thread = new Worker(source, { eval: true, workerData: { memory, code } });
    await new Promise((resolve, reject) => thread.once('message', resolve).once('error', reject));
    expect([...floats(0, 4)]).toEqual([11, 22, 33, 44]);
    kernels.add(at(0), at(1), 4);
    expect([...floats(0, 4)]).toEqual([21, 42, 63, 84]);
    await thread.terminate();
  });

  it('reaches the end of the largest memory, and takes address space only', () => {
    const before = process.memoryUsage().rss;
    const memory = createMemory(maximumBytes);
    const kernels = loadKernels(memory);
    const last = new Float32Array(memory.buffer, maximumBytes - 32, 8);
    last.set([1, 2, 3, 4, 5, 6, 7, 8]);
    kernels.add(maximumBytes - 32, maximumBytes - 16, 4);
    expect([...last]).toEqual([6, 8, 10, 12, 5, 6, 7, 8]);
    expect(kernels.sumOfSquares(maximumBytes - 16, 4)).toBe(25 + 36 + 49 + 64);
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * 1024 * 1024);
  });

  it('more than one memory can hold is refused in one line', () => {
    expect(() => createMemory(maximumBytes + 1)).toThrow(/replica needs 4294901761 bytes/);
  });
});

/** Ids of a module's sections, read from the binary format's headers. */
function sectionIds(bytes: Uint8Array): number[] {
  const ids: number[] = [];
  let at = 8;
  while (at < bytes.length) {
    ids.push(bytes[at] ?? 0);
    let [size, shift] = [0, 0];
    for (;;) {
      at += 1;
      const byte = bytes[at] ?? 0;
      size |= (byte & 127) << shift;
      shift += 7;
      if (byte < 128) break;
    }
    at += 1 + size;
  }
  return ids;
}
