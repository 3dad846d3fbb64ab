/** Checks of the computer and of what its system lets this process have. */
import { execFileSync } from 'node:child_process';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { addressSpaceLimit, memoryWish, triedMemory } from '../../../shared/memory-problem.js';
import { visibleGpus, type Gpu } from '../../compute/backends/gpus.js';
import { gibibytes, type MachineCheck } from './machine-check.js';

/** Fails a Node.js that is older than 20.19, the oldest that has all that this program uses. */
export function checkNode(version: string): MachineCheck {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOld = major < 20 || (major === 20 && minor < 19);
  return isOld
    ? { name: 'node', state: 'fail', finding: version, wish: 'take 20.19 or newer' }
    : { name: 'node', state: 'ok', finding: version };
}

/** A WebAssembly module with one SIMD instruction: `v128.const` of zeros, dropped. */
const simdModule = Buffer.from(`0061736d01000000010401600000030201000a17011500fd0c${'00'.repeat(16)}1a0b`, 'hex');

/** Fails a machine whose WebAssembly has no SIMD, without which the wasm backend does not run. */
export function checkSimd(): MachineCheck {
  const name = 'wasm simd';
  if (WebAssembly.validate(simdModule)) return { name, state: 'ok', finding: 'here' };
  return { name, state: 'fail', finding: 'not in this Node or CPU', wish: 'take a CPU with SSE 4.1 or newer' };
}

/** Fails a process that may have too few addresses for WebAssembly's memories. */
export function checkAddresses(limit = addressSpaceLimit(), problem = triedMemory()): MachineCheck {
  const name = 'address space';
  const finding = limit === null ? 'unlimited' : `at most ${gibibytes(limit)}`;
  return problem === null
    ? { name, state: 'ok', finding }
    : { name, state: 'fail', finding: `${finding}: too little for WebAssembly`, wish: memoryWish(limit) };
}

/** Says how many cores this process may use, which is never wrong. */
export function checkCores(): MachineCheck {
  return { name: 'cores', state: 'ok', finding: `${availableParallelism()} for this process` };
}

const leastMemoryBytes = 512 * 2 ** 20;

/** Warns when less than 512 MiB are free. */
export function checkMemory(): MachineCheck {
  return {
    name: 'memory',
    state: freemem() < leastMemoryBytes ? 'warn' : 'ok',
    finding: `${gibibytes(freemem())} of ${gibibytes(totalmem())} free`,
  };
}

/**
 * Warns when there are GPUs and this process may use none.
 * @param visible which of them it may use, as CUDA_VISIBLE_DEVICES says it
 */
export function checkGpus(gpus: readonly Gpu[], visible = process.env.CUDA_VISIBLE_DEVICES): MachineCheck {
  const name = 'gpus';
  if (gpus.length === 0) return { name, state: 'ok', finding: 'none (no NVIDIA driver answers)' };
  const ours = visibleGpus(gpus, visible);
  if (ours.length === 0)
    return {
      name,
      state: 'warn',
      finding: `${gpus.length}, and CUDA_VISIBLE_DEVICES=${visible ?? ''} hides all`,
      wish: 'unset it or name one',
    };
  const models = ours.map(({ index, name: model }) => `${index} ${model}`).join(', ');
  return { name, state: 'ok', finding: `${ours.length} of ${gpus.length} visible: ${models}` };
}

/** A coordinator has one open file for each worker, and some more. */
const leastOpenFiles = 1024;

/** Warns when this process may have fewer than 1024 open files. */
export function checkOpenFiles(): MachineCheck {
  const name = 'open files';
  try {
    const limit = execFileSync('/bin/sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim();
    const isLow = limit !== 'unlimited' && Number(limit) < leastOpenFiles;
    return {
      name,
      state: isLow ? 'warn' : 'ok',
      finding: `at most ${limit}`,
      ...(isLow ? { wish: `raise ulimit -n to ${leastOpenFiles}` } : {}),
    };
  } catch {
    return { name, state: 'warn', finding: 'the limit is unknown' };
  }
}
