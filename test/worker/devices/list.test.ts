import { describe, expect, it } from 'vitest';
import { devicesFor, readCores, readDevices, type HostParts } from '../../../worker/devices/list.js';

const gpus = [
  { index: 0, uuid: 'GPU-aa', name: 'NVIDIA H200' },
  { index: 2, uuid: 'MIG-b1', name: 'NVIDIA H200 MIG 1g.18gb' },
  { index: 2, uuid: 'MIG-b2', name: 'NVIDIA H200 MIG 1g.18gb' },
];
const host: HostParts = { gpus, cores: [0, 1, 2, 3, 8, 9, 10] };

/** The environment's value of each device that the text names. */
const cudaOf = (text: string, parts: HostParts = host): string[] => {
  const wish = readDevices(text);
  if (wish === null) throw new Error(`${text} names no devices`);
  return devicesFor(wish, parts).map(({ cuda }) => cuda);
};

describe('the devices of a host', () => {
  it.each([
    ['all', ['GPU-aa', 'MIG-b1', 'MIG-b2']],
    ['0', ['GPU-aa']],
    ['2,0', ['MIG-b1', 'MIG-b2', 'GPU-aa']],
    ['MIG-b2, GPU-aa', ['MIG-b2', 'GPU-aa']],
    ['cpu:2', ['', '']],
  ])('by %s are %j', (text, wanted) => expect(cudaOf(text)).toEqual(wanted));

  it.each(['', 'cpu', 'cpu:0', 'cpu:-1', 'gpu:0', '0,', '0;1', '1,1', 'none'])('are none by %j', (text) => {
    expect(readDevices(text)).toBeNull();
  });

  it.each([
    ['1', '--devices 1: no such GPU is visible here; one of 0, MIG-b1, MIG-b2 was wanted'],
    ['0,3', '--devices 3: no such GPU is visible here'],
    ['GPU-ff', '--devices GPU-ff: no such GPU is visible here'],
  ])('are refused with 79 where %s is not among them', (text, message) => {
    expect(() => cudaOf(text)).toThrow(
      expect.objectContaining({ exitCode: 79, message: expect.stringContaining(message) as string }),
    );
  });

  it('are refused with 79 where there is no GPU at all', () => {
    for (const text of ['all', '0'])
      expect(() => cudaOf(text, { ...host, gpus: [] })).toThrow(expect.objectContaining({ exitCode: 79 }));
  });

  it('demand their GPU, so that none computes on the CPU unnoticed', () => {
    expect(devicesFor({ type: 'all' }, host).map(({ isGpuDemanded }) => isGpuDemanded)).toEqual([true, true, true]);
    expect(devicesFor({ type: 'all' }, host).map(({ name }) => name)).toEqual([
      'gpu 0',
      'gpu 2 MIG-b1',
      'gpu 2 MIG-b2',
    ]);
  });

  it.each([
    [1, [[0, 1, 2, 3, 8, 9, 10]]],
    [
      2,
      [
        [0, 1, 2, 3],
        [8, 9, 10],
      ],
    ],
    [
      3,
      [
        [0, 1, 2],
        [3, 8],
        [9, 10],
      ],
    ],
    [7, [[0], [1], [2], [3], [8], [9], [10]]],
  ])('as %d parts of the CPU share its cores evenly', (count, wanted) => {
    expect(devicesFor({ type: 'cpu', count }, host).map(({ cores }) => cores)).toEqual(wanted);
  });

  it('are refused as more parts of the CPU than it has cores', () => {
    expect(() => cudaOf('cpu:8')).toThrow(
      expect.objectContaining({ exitCode: 2, message: expect.stringContaining('7 cores') as string }),
    );
  });

  it.each([
    ['0-3,8\n', [0, 1, 2, 3, 8]],
    ['5', [5]],
    ['', []],
  ])('know of cores listed as %j', (list, wanted) => expect(readCores(list)).toEqual(wanted));
});
