/** Checks of the backends, and of ONNX Runtime's providers: each that is there is tried with one operation. */
import { findInstalled } from '../../compute/backends/native/folder.js';
import { flavours, type Flavour } from '../../compute/backends/native/pins.js';
import { isDriverMissing } from '../../compute/backends/onnxruntime/libraries.js';
import { findProvider } from '../../compute/backends/onnxruntime/folder.js';
import type { Trial, Tried } from '../../compute/open/backend-trial.js';
import type { MachineCheck } from './machine-check.js';

/** Runs one operation on a backend. */
export type TryBackend = (tried: Tried, cache: string) => Promise<Trial>;

/** Fails when the wasm backend does not compute. */
export async function checkWasm(cache: string, tryOne: TryBackend): Promise<MachineCheck> {
  return checkTrial('backend wasm', await tryOne('wasm', cache), 'run npm ci again');
}

/** A native backend that is not installed is no fault, unless there is a GPU that only it could use. */
export async function checkNatives(cache: string, hasGpu: boolean, tryOne: TryBackend): Promise<MachineCheck[]> {
  const checks: MachineCheck[] = [];
  for (const flavour of flavours)
    checks.push(
      findInstalled(cache, flavour) === null
        ? checkMissing(flavour, hasGpu)
        : checkInstalled(flavour, hasGpu, await tryOne(flavour, cache)),
    );
  return checks;
}

/**
 * Fails where ONNX Runtime does not compute on the CPU, or not on the GPU that is there.
 * @param cache null where there is none
 */
export async function checkProviders(
  cache: string | null,
  hasGpu: boolean,
  tryOne: TryBackend,
): Promise<MachineCheck[]> {
  const cpu = checkTrial('onnxruntime cpu', await tryOne('onnx-cpu', cache ?? ''), 'run npm ci again');
  if (cache === null) return [cpu];
  const name = 'onnxruntime cuda';
  const wish = 'run stillhouse backend install cuda --only onnx';
  if (findProvider(cache) === null) {
    const found = { name, finding: 'not installed' };
    return [cpu, hasGpu ? { ...found, state: 'warn', wish } : { ...found, state: 'ok' }];
  }
  const trial = await tryOne('onnx-cuda', cache);
  const mending = isDriverMissing(trial.detail) ? 'check the driver: it must know CUDA 13' : `${wish} --force`;
  const cuda = checkTrial(name, trial, mending);
  if (cuda.state !== 'fail' || hasGpu) return [cpu, cuda];
  // The CPU computes where there is no GPU, and loses nothing by this.
  return [cpu, { name, state: 'warn', finding: cuda.finding, wish: 'it is of use on a machine with a GPU' }];
}

function checkMissing(flavour: Flavour, hasGpu: boolean): MachineCheck {
  const isMissed = flavour === 'cuda' && hasGpu;
  const wish = `${isMissed ? '' : 'faster than wasm: '}${installLine(flavour)}`;
  return {
    name: nameOf(flavour),
    state: isMissed ? 'warn' : 'ok',
    finding: 'not installed',
    ...(isMissed || flavour === 'cpu' ? { wish } : {}),
  };
}

function checkInstalled(flavour: Flavour, hasGpu: boolean, trial: Trial): MachineCheck {
  if (trial.works && hasGpu && flavour === 'cuda' && trial.gpu === null) {
    return {
      name: nameOf(flavour),
      state: 'fail',
      finding: `loads (${trial.detail}) and gets no GPU`,
      wish: 'check the driver: it must know CUDA 12',
    };
  }
  return checkTrial(nameOf(flavour), trial, `${installLine(flavour)} --force`);
}

function checkTrial(name: string, { works, detail, gpu }: Trial, wish: string): MachineCheck {
  // A lack of memory says itself what to do about it.
  if (!works) return { name, state: 'fail', finding: detail, ...(detail.startsWith('memory: ') ? {} : { wish }) };
  return { name, state: 'ok', finding: `works (${detail}${gpu === null ? '' : `, on ${gpu}`})` };
}

const nameOf = (flavour: Flavour): string => `backend native ${flavour}`;
const installLine = (flavour: Flavour): string => `run stillhouse backend install ${flavour}`;
