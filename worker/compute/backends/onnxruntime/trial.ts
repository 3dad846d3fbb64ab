/** One trial operation of ONNX Runtime on a provider: a small convolution with ReLU, and a check of its numbers. */
import { floats } from '../../onnx/graph.js';
import { ownOperatorSets, writeOnnx } from '../../onnx/write.js';
import type { OnnxRuntime, Provider } from './runtime.js';
import { sessionOptions } from './sessions.js';

/**
 * relu(conv(x, w)) for x = 1 on 3x3 and w = [[1, 2], [3, 4]]: each of the four places gives 10.
 * @throws Error when the provider cannot be had, computes something else, or leaves an operation to the CPU
 */
export async function tryProvider(
  { InferenceSession: Session, Tensor }: OnnxRuntime,
  name: Provider['name'],
): Promise<void> {
  const session = await Session.create(trialModel(), {
    ...sessionOptions,
    executionProviders: [name],
    ...(name === 'cpu' ? {} : { extra: { session: { disable_cpu_ep_fallback: '1' } } }),
  });
  try {
    const { y } = await session.run({ x: new Tensor('float32', new Float32Array(9).fill(1), [1, 1, 3, 3]) });
    const found = y?.data instanceof Float32Array ? [...y.data].join() : 'nothing';
    if (found !== '10,10,10,10') throw new Error(`a convolution gives [${found}]; [10,10,10,10] was wanted`);
  } finally {
    await session.release();
  }
}

function trialModel(): Uint8Array {
  return writeOnnx({
    operatorSets: ownOperatorSets,
    graph: {
      nodes: [
        { op: 'Conv', inputs: ['x', 'w'], outputs: ['z'], attributes: {} },
        { op: 'Relu', inputs: ['z'], outputs: ['y'], attributes: {} },
      ],
      constants: [floats('w', [1, 1, 2, 2], Float32Array.of(1, 2, 3, 4))],
      inputs: [{ name: 'x', type: 'float32', shape: [1, 1, 3, 3] }],
      outputs: [{ name: 'y' }],
    },
  });
}
