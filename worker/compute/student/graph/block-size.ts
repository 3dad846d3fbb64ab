/** How many channels lie together in onnxruntime's blocked form on this processor: tried out, once a process. */
import { provider } from '../../backends/onnxruntime/runtime.js';
import type { OnnxModel } from '../../onnx/graph.js';
import { blockedDomain } from './gradient/blocked.js';
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

let found: Promise<number> | null = null;

/** 16 with AVX-512, 8 on other x86 processors; 1 where onnxruntime has no such form, as on a GPU. */
export function blockSize(): Promise<number> {
  found ??= tryOut();
  return found;
}

/** The number 1 is the first channel's second place, which stands behind a block of first places. */
async function tryOut(): Promise<number> {
  if (provider().name !== 'cpu') return 1;
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
