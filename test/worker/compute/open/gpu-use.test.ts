import { describe, expect, it } from 'vitest';
import type { GpuUse } from '../../../../worker/compute/open/backend-choice.js';
import { checkGpuUse, type ComputedParts } from '../../../../worker/compute/open/gpu-use.js';

const teachers = [
  { name: 'deep', format: 'onnx' },
  { name: 'big', format: 'saved-model' },
];
const use = (objection: string | null, isDemanded = false): GpuUse => ({ hasGpu: true, isDemanded, objection });

function said(gpuUse: GpuUse, run: ComputedParts): string[] {
  const lines: string[] = [];
  checkGpuUse(gpuUse, { ...run, warn: (line) => lines.push(line) });
  return lines;
}

const start = 'warning: this worker has a GPU, and its CPU computes';
const install = 'TensorFlow does not compute on it here: run stillhouse backend install cuda';

describe('what of a run a worker with a GPU computes on its CPU', () => {
  it.each([
    ['nothing', use(null), { gpu: 'H200', engine: 'onnx', teachers }, []],
    ['nothing of a run without parts', use('not installed'), { gpu: null, engine: null, teachers: [] }, []],
    [
      'what ONNX Runtime computes, with the reason',
      use('not installed'),
      { gpu: 'H200', engine: 'onnx', teachers },
      [`${start} the student, teacher deep: not installed`],
    ],
    [
      'what TensorFlow.js computes',
      use(null),
      { gpu: null, engine: 'tfjs', teachers },
      [`${start} the student, teacher big: ${install}`],
    ],
  ] as const)('is said: %s', (_what, gpuUse, run, lines) => {
    expect(said(gpuUse, run)).toEqual(lines);
  });

  it('is no matter where there is no GPU and none was demanded', () => {
    const without = { hasGpu: false, isDemanded: false, objection: 'the driver lists none' };
    expect(said(without, { gpu: null, engine: 'onnx', teachers })).toEqual([]);
  });

  it('is refused where the GPU was demanded', () => {
    expect(() => said(use('it is old', true), { gpu: null, engine: 'onnx', teachers })).toThrow(
      expect.objectContaining({
        message: 'a GPU was demanded, and the CPU would compute the student, teacher deep: it is old',
        exitCode: 79,
      }),
    );
    expect(said(use(null, true), { gpu: null, engine: 'onnx', teachers: teachers.slice(0, 1) })).toEqual([]);
  });
});
