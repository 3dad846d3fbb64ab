/**
 * One trial operation on a backend: a small convolution with ReLU, its gradient, and a check of the numbers. A library
 * may end the process that loads it (an instruction that the CPU lacks), so it is tried in a process of its own.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { OpenBackend } from '../backends/backend.js';
import { lastWords, runCommand } from '../backends/command.js';
import { flavours, type Flavour } from '../backends/native/pins.js';
import { openNative } from '../backends/native/native.js';
import { findInstalled } from '../backends/native/folder.js';
import { findProvider } from '../backends/onnxruntime/folder.js';
import { onnxruntimeVersion } from '../backends/onnxruntime/pins.js';
import { onnxRuntime, openCuda } from '../backends/onnxruntime/runtime.js';
import { tryProvider } from '../backends/onnxruntime/trial.js';
import { openWasm } from '../backends/wasm/wasm.js';

/** Backends of tfjs, and providers of ONNX Runtime. */
export type Tried = 'wasm' | Flavour | 'onnx-cpu' | 'onnx-cuda';

export interface Trial {
  readonly works: boolean;
  /** The library's versions, or why it does not work: one line. */
  readonly detail: string;
  readonly gpu: string | null;
}

const trialSchema = z.strictObject({ works: z.boolean(), detail: z.string(), gpu: z.string().nullable() });

/** In a process of its own where this program is built, else in this one. */
export async function tryBackend(tried: Tried, cache: string): Promise<Trial> {
  const script = fileURLToPath(new URL('./backend-trial-process.js', import.meta.url));
  if (!existsSync(script)) return tryHere(tried, cache);
  const result = await runCommand(process.execPath, [script, tried, cache]);
  const line = result.stdout.trim().split('\n').at(-1) ?? '';
  if (result.code === 0 && line.startsWith('{')) return trialSchema.parse(JSON.parse(line));
  return {
    works: false,
    detail: `the process that tried it ended (${result.code ?? 'killed'}): ${lastWords(result)}`,
    gpu: null,
  };
}

export async function tryHere(tried: Tried, cache: string): Promise<Trial> {
  try {
    if (tried === 'onnx-cpu' || tried === 'onnx-cuda') return await tryOnnx(tried, cache);
    const backend = await openTried(tried, cache);
    checkNumbers(backend);
    return { works: true, detail: backend.version, gpu: backend.gpu };
  } catch (error) {
    return {
      works: false,
      detail: error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error),
      gpu: null,
    };
  }
}

export function isTried(text: string | undefined): text is Tried {
  return text === 'wasm' || text === 'onnx-cpu' || text === 'onnx-cuda' || flavours.some((flavour) => flavour === text);
}

async function tryOnnx(tried: 'onnx-cpu' | 'onnx-cuda', cache: string): Promise<Trial> {
  if (tried === 'onnx-cpu') {
    await tryProvider(await onnxRuntime(), 'cpu');
    return { works: true, detail: `onnxruntime ${onnxruntimeVersion}`, gpu: null };
  }
  const installed = findProvider(cache);
  if (installed === null) throw new Error('not installed: run stillhouse backend install cuda');
  const { gpu } = await openCuda(installed, {
    tell: () => undefined,
    tryOut: (runtime) => tryProvider(runtime, 'cuda'),
  });
  return { works: true, detail: `onnxruntime ${installed.version}, CUDA`, gpu };
}

async function openTried(tried: 'wasm' | Flavour, cache: string): Promise<OpenBackend> {
  if (tried === 'wasm') return openWasm();
  const installed = findInstalled(cache, tried);
  if (installed === null) throw new Error(`not installed: run stillhouse backend install ${tried}`);
  return openNative(installed, 1);
}

/** d/dw sum(relu(conv(x, w))) for x = 1 on 3x3 and w = [[1, 2], [3, 4]]: four places, each weight's gradient is 4. */
function checkNumbers({ tf }: OpenBackend): void {
  const gradient = tf.tidy(() => {
    const x = tf.ones([1, 3, 3, 1]).as4D(1, 3, 3, 1);
    const w = tf.tensor4d([1, 2, 3, 4], [2, 2, 1, 1]);
    return tf
      .grad((weights) => tf.sum(tf.relu(tf.conv2d(x, weights.as4D(2, 2, 1, 1), 1, 'valid'))))(w)
      .dataSync();
  });
  if ([...gradient].join() !== '4,4,4,4')
    throw new Error(`a gradient is [${[...gradient].join()}]; [4,4,4,4] was wanted`);
}
