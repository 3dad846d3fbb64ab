/**
 * The wasm backend: tfjs compiled to WebAssembly SIMD, single-threaded, from the npm packages alone. What training
 * needs and it lacks is added as compositions of what it has (wasm-kernels.ts). The same inputs give the same bits.
 */
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import type * as WasmBackend from '@tensorflow/tfjs-backend-wasm';
import { triedMemory } from '../../../../shared/memory-problem.js';
import { keepChatter } from '../chatter.js';
import type { Backend } from '../backend.js';
import { loadTfjs } from '../tfjs.js';
import { registerWasmKernels } from './kernels.js';

const require = createRequire(import.meta.url);

let opened: Promise<Backend> | null = null;

/** Opens the backend, once per process. */
export function openWasm(): Promise<Backend> {
  opened ??= open();
  return opened;
}

/** @throws UserError 69 when the machine does not give it memory, which tfjs would not say */
async function open(): Promise<Backend> {
  const problem = triedMemory();
  if (problem !== null) throw problem;
  const tf = loadTfjs();
  const { setWasmPaths, version_wasm } = require('@tensorflow/tfjs-backend-wasm') as typeof WasmBackend;
  setWasmPaths(wasmFolder());
  keepChatter();
  tf.enableProdMode();
  if (!(await tf.setBackend('wasm'))) throw new Error('the wasm backend of tfjs did not start');
  await tf.ready();
  registerWasmKernels(tf);
  return { tf, name: 'wasm', gpu: null, version: `tfjs ${tf.version.tfjs}, wasm ${version_wasm}` };
}

/** The folder of the package's .wasm files, with a separator at its end. */
function wasmFolder(): string {
  return dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + sep;
}
