/** Which forms onnxruntime has on what this process computes with. */
import { provider } from '../../backends/onnxruntime/runtime.js';
import type { OnnxModel } from '../../onnx/graph.js';
import { blockedDomain } from './gradient/blocked.js';
import type { DeviceForms } from './gradient/operator.js';
import { floatsOf, openSession, tensorMaker } from './session.js';

const channels = 64;
const model: OnnxModel = {
  operatorSets: new Map([
    ['', 18],
    [blockedDomain, 1],
  ]),
  graph: {
    nodes: [{ op: 'ReorderInput', domain: blockedDomain, inputs: ['x'], outputs: ['y'], attributes: {} }],
    constants: [],
    inputs: [{ name: 'x', type: 'float32', shape: [1, channels, 1, 2] }],
    outputs: [{ name: 'y' }],
  },
};

let block: Promise<number> | null = null;

/** How many channels lie together is tried out, once a process: 16 with AVX-512, 8 on other x86 processors. */
export async function deviceForms(): Promise<DeviceForms> {
  if (provider().name === 'cuda') return { block: 1, unpools: false };
  block ??= tryOut();
  return { block: await block, unpools: true };
}

/** The number 1 is the first channel's second place, which stands behind a block of first places. */
async function tryOut(): Promise<number> {
  let session;
  try {
    session = await openSession(model, 'disabled');
  } catch {
    // A build for another processor does not know the operators: convolutions stay as they are.
    return 1;
  }
  const make = await tensorMaker();
  const x = make(
    { type: 'float32', shape: [1, channels, 1, 2] },
    Float32Array.from({ length: 2 * channels }, (_, i) => i),
  );
  const { y } = await session.run({ x });
  await session.release();
  return y === undefined ? 1 : floatsOf(y).indexOf(1);
}
