import { describe, expect, it } from 'vitest';
import { parseGpus, visibleGpus } from '../../../../worker/compute/backends/gpus.js';

const all = parseGpus(
  'GPU 0: NVIDIA H200 (UUID: GPU-aaaa-1)\nGPU 1: NVIDIA A100 (SXM4, 80GB) (UUID: GPU-bbbb-2)\n\nnonsense\n',
);

describe('the visible GPUs', () => {
  it('are read from the driver, brackets in names included', () => {
    expect(all).toEqual([
      { index: 0, uuid: 'GPU-aaaa-1', name: 'NVIDIA H200' },
      { index: 1, uuid: 'GPU-bbbb-2', name: 'NVIDIA A100 (SXM4, 80GB)' },
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

  it('are the parts of one that is split, each by its own UUID', () => {
    const split = parseGpus(`GPU 0: NVIDIA H200 (UUID: GPU-aaaa)
  MIG 1g.18gb     Device  0: (UUID: MIG-1111-2)
  MIG 3g.71gb     Device  1: (UUID: MIG-3333-4)
GPU 1: NVIDIA H200 (UUID: GPU-bbbb)
`);
    expect(split).toEqual([
      { index: 0, uuid: 'MIG-1111-2', name: 'NVIDIA H200 MIG 1g.18gb' },
      { index: 0, uuid: 'MIG-3333-4', name: 'NVIDIA H200 MIG 3g.71gb' },
      { index: 1, uuid: 'GPU-bbbb', name: 'NVIDIA H200' },
    ]);
    expect(visibleGpus(split, 'MIG-3333-4,1').map(({ uuid }) => uuid)).toEqual(['MIG-3333-4', 'GPU-bbbb']);
    expect(visibleGpus(split, 'GPU-aaaa')).toEqual([]);
  });
});
