/** How a processor is named for its bits. */
import { describe, expect, it } from 'vitest';
import { flagsOf, processorKind } from '../../../../worker/compute/backends/processor.js';

const x64 = { arch: 'x64', model: 'EPYC' };

describe('the kind of a processor', () => {
  it.each([
    ['fpu sse2 avx fma avx2 avx512f', 'x64 with AVX-512'],
    ['fpu sse2 avx fma avx2', 'x64 with AVX2'],
    ['fpu sse2 avx', 'x64 with AVX'],
    ['fpu sse2', 'x64'],
  ])('with %s is %s', (flags, kind) => {
    expect(processorKind(flagsOf(`processor\t: 0\nflags\t\t: ${flags}\nflags\t\t: other\n`), x64)).toBe(kind);
  });

  it('is the name of the model where instruction sets are not told', () => {
    expect(flagsOf('processor\t: 0\n')).toBeNull();
    expect(processorKind(null, x64)).toBe('x64, EPYC');
    expect(processorKind(new Set(['asimd']), { arch: 'arm64', model: 'M4' })).toBe('arm64, M4');
  });

  it('is known here', () => {
    expect(processorKind()).toMatch(/^\w+/);
  });
});
