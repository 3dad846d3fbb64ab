/**
 * The devices that the workers of one host are started on, as `--devices` names them: one process each, which sees its own
 * device alone. Pure: what there is comes in.
 */
import { exitCodes, UserError } from '../../shared/errors.js';
import type { Gpu } from '../compute/backends/gpus.js';

/** What one worker process computes on. */
export interface HostDevice {
  /** For messages: `gpu 2`, `gpu 0 MIG-41...`, `cpu 0`. */
  readonly name: string;
  /** What CUDA_VISIBLE_DEVICES says to the process; empty hides all GPUs. */
  readonly cuda: string;
  /** The cores that it is pinned to; null: any. */
  readonly cores: readonly number[] | null;
  /** Whether it is to be refused without its GPU. */
  readonly isGpuDemanded: boolean;
}

/** What `--devices` asks for. */
export type DeviceWish =
  | { readonly type: 'all' }
  | { readonly type: 'cpu'; readonly count: number }
  | { readonly type: 'gpus'; readonly names: readonly string[] };

/** What there is on the host, as far as this process may use it. */
export interface HostParts {
  readonly gpus: readonly Gpu[];
  readonly cores: readonly number[];
}

/** Reads `all`, `cpu:N`, or numbers and UUIDs of GPUs. @returns null for anything else */
export function readDevices(text: string): DeviceWish | null {
  if (text === 'all') return { type: 'all' };
  const count = /^cpu:(\d{1,4})$/.exec(text)?.[1];
  if (count !== undefined) return Number(count) > 0 ? { type: 'cpu', count: Number(count) } : null;
  const names = text.split(',').map((name) => name.trim());
  const areNames = names.every((name) => /^(?:\d{1,4}|(?:GPU|MIG)-[\w/-]+)$/.test(name));
  return areNames && new Set(names).size === names.length ? { type: 'gpus', names } : null;
}

/** @throws UserError 79 for a GPU that is not there or hidden, 2 for more CPU workers than cores */
export function devicesFor(wish: DeviceWish, { gpus, cores }: HostParts): HostDevice[] {
  if (wish.type === 'cpu') return cpuDevices(wish.count, cores);
  if (wish.type === 'gpus') return wish.names.flatMap((name) => named(name, gpus));
  if (gpus.length === 0)
    throw new UserError(
      '--devices all: no GPU is visible here; one that the driver lists and CUDA_VISIBLE_DEVICES does not hide was wanted, or cpu:N',
      exitCodes.noGpu,
    );
  return gpus.map((gpu) => gpuDevice(gpu, true));
}

/** The worker of one GPU. @param isDemanded whether it is to be refused without it */
export function gpuDevice({ index, uuid }: Gpu, isDemanded: boolean): HostDevice {
  const isPart = uuid.startsWith('MIG-');
  return { name: `gpu ${index}${isPart ? ` ${uuid}` : ''}`, cuda: uuid, cores: null, isGpuDemanded: isDemanded };
}

/** A number stands for all parts that a GPU is split into. */
function named(name: string, gpus: readonly Gpu[]): HostDevice[] {
  const found = gpus.filter(({ index, uuid }) => (/^\d+$/.test(name) ? index === Number(name) : uuid.startsWith(name)));
  if (found.length > 0) return found.map((gpu) => gpuDevice(gpu, true));
  const there = gpus.map(({ index, uuid }) => (uuid.startsWith('MIG-') ? uuid : String(index))).join(', ');
  throw new UserError(
    `--devices ${name}: no such GPU is visible here; ${there === '' ? 'there is none; cpu:N was wanted, or no --devices' : `one of ${there} was wanted`}`,
    exitCodes.noGpu,
  );
}

/** Each gets as many cores as the others, but for what is over: that goes to the first ones. */
function cpuDevices(count: number, cores: readonly number[]): HostDevice[] {
  if (count > cores.length)
    throw new UserError(
      `--devices cpu:${count}: this process may use ${cores.length} cores; at most so many workers were wanted`,
    );
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = [firstCore(i, count, cores.length), firstCore(i + 1, count, cores.length)];
    return { name: `cpu ${i}`, cuda: '', cores: cores.slice(from, to), isGpuDemanded: false };
  });
}

/** Where the cores of process `n` of `count` begin. */
function firstCore(n: number, count: number, cores: number): number {
  return n * Math.floor(cores / count) + Math.min(n, cores % count);
}

/** Numbers such as `0-3,8`, as Linux lists the cores that a process may use. */
export function readCores(list: string): number[] {
  return list
    .trim()
    .split(',')
    .flatMap((part) => {
      const [, from = '', to = from] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
      return from === '' ? [] : Array.from({ length: Number(to) - Number(from) + 1 }, (_, i) => Number(from) + i);
    });
}
