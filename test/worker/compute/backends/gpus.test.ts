import { describe, expect, it } from 'vitest';
import { parseGpus, visibleGpus } from '../../../../worker/compute/backends/gpus.js';

const all = parseGpus('0, GPU-aaaa-1, NVIDIA H200\n1, GPU-bbbb-2, NVIDIA A100-SXM4, 80GB\n\nnonsense\n');

describe('the visible GPUs', () => {
  it('are read from the driver, commas in names included', () => {
    expect(all).toEqual([
      { index: 0, uuid: 'GPU-aaaa-1', name: 'NVIDIA H200' },
      { index: 1, uuid: 'GPU-bbbb-2', name: 'NVIDIA A100-SXM4, 80GB' },
    ]);
  });

  it.each([
    [undefined, [0, 1]],
    ['', []],
    ['1', [1]],
    ['1,0', [1, 0]],
    ['GPU-bbbb', [1]],
    ['0,7,1', [0]],
    ['-1', []],
    ['NoDevFiles', []],
  ])('with CUDA_VISIBLE_DEVICES=%j are %j', (visible, wanted) => {
    expect(visibleGpus(all, visible).map(({ index }) => index)).toEqual(wanted);
  });
});
