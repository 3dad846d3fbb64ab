/**
 * The wasm backend: tfjs compiled to WebAssembly SIMD, single-threaded, from the npm packages alone. What training
 * needs and it lacks is added as compositions of what it has (wasm-kernels.ts). The same inputs give the same bits.
 */
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import type * as WasmBackend from '@tensorflow/tfjs-backend-wasm';
import { triedMemory } from '../../../../shared/memory-problem.js';
import { keepChatter } from '../chatter.js';
import type { Backend, OpenBackend } from '../backend.js';
import { loadTfjs } from '../tfjs.js';
import { registerWasmKernels } from './kernels.js';

const require = createRequire(import.meta.url);

let opened: Promise<OpenBackend> | null = null;

/** Opens the backend, once per process. */
export function openWasm(): Promise<OpenBackend> {
  opened ??= open();
  return opened;
}

/** The backend for a worker that may never need it: tfjs takes a fifth of a worker's start to load. */
export const wasm = (): Backend => ({
  name: 'wasm',
  gpu: null,
  version: `tfjs ${versionOf('@tensorflow/tfjs')}, wasm ${versionOf('@tensorflow/tfjs-backend-wasm')}`,
  openTensorFlow: async () => (await openWasm()).tf,
});

const versionOf = (name: string): string => (require(`${name}/package.json`) as { version: string }).version;

/** @throws UserError 69 when the machine does not give it memory, which tfjs would not say */
async function open(): Promise<OpenBackend> {
  const problem = triedMemory();
  if (problem !== null) throw problem;
  const tf = loadTfjs();
  const { setWasmPaths } = require('@tensorflow/tfjs-backend-wasm') as typeof WasmBackend;
  setWasmPaths(wasmFolder());
  keepChatter();
  tf.enableProdMode();
  if (!(await tf.setBackend('wasm'))) throw new Error('the wasm backend of tfjs did not start');
  await tf.ready();
  registerWasmKernels(tf);
  return { ...wasm(), tf };
}

/** The folder of the package's .wasm files, with a separator at its end. */
function wasmFolder(): string {
  return dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + sep;
}
