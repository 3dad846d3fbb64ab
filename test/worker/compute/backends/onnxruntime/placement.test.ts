import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { cpuPart, placedNodes, type PlacedNode } from '../../../../../worker/compute/backends/onnxruntime/placement.js';
import { watched } from '../../../../../worker/compute/backends/onnxruntime/sessions.js';
import { floats } from '../../../../../worker/compute/onnx/graph.js';
import { ownOperatorSets, writeOnnx } from '../../../../../worker/compute/onnx/write.js';

const node = (op: string, provider: 'CPU' | 'CUDA', { name = '', numbers = 1000 } = {}): PlacedNode => ({
  ...{ op, name, numbers },
  provider: `${provider}ExecutionProvider`,
});

describe('what a session on the GPU leaves to the CPU', () => {
  it('is nothing to tell where the GPU computes all but arithmetic on shapes', () => {
    const nodes = [node('Conv', 'CUDA'), node('Gather', 'CPU', { numbers: 0 }), node('Cast', 'CPU', { numbers: 64 })];
    expect(cpuPart(nodes)).toBeNull();
  });

  it('is told by operator, with the names of two of its nodes', () => {
    const nodes = [
      node('Conv', 'CUDA'),
      ...['a', 'b', 'c'].map((name) => node('MaxUnpool', 'CPU', { name })),
      node('TopK', 'CPU', { numbers: 65 }),
    ];
    expect(cpuPart(nodes)).toBe(
      "4 of 5 nodes run on the CPU, since ONNX Runtime's CUDA provider does not take them: MaxUnpool (3: a, b, ...), TopK (1)",
    );
  });

  it('is read from the profile: kernels alone, and of what they take and give the floating-point numbers', () => {
    const args = {
      provider: 'CPUExecutionProvider',
      op_name: 'TopK',
      input_type_shape: [{ float: [2, 5] }, { int64: [1] }],
      output_type_shape: [{ float16: [2, 3] }, { int64: [2, 3] }],
    };
    const profile = [
      { cat: 'Session', name: 'model_run' },
      { cat: 'Node', name: 'top_fence_before', args: { op_name: 'TopK' } },
      { cat: 'Node', name: 'top_kernel_time', args },
    ];
    expect(placedNodes(JSON.stringify(profile))).toEqual([
      { op: 'TopK', name: 'top', provider: 'CPUExecutionProvider', numbers: 16 },
    ]);
  });

  it('is found in the first run of a session, and told once', async () => {
    const model = writeOnnx({
      operatorSets: ownOperatorSets,
      graph: {
        nodes: [{ op: 'MatMul', name: 'product', inputs: ['x', 'w'], outputs: ['y'], attributes: {} }],
        constants: [floats('w', [8, 8], new Float32Array(64).fill(1))],
        inputs: [{ name: 'x', type: 'float32', shape: [9, 8] }],
        outputs: [{ name: 'y' }],
      },
    });
    const told: string[] = [];
    const session = await watched(
      (profiling) => InferenceSession.create(model, { ...profiling, executionProviders: ['cpu'] }),
      (text) => told.push(text),
    );
    const feeds = { x: new Tensor('float32', new Float32Array(72).fill(2), [9, 8]) };
    for (let i = 0; i < 2; i++) expect((await session.run(feeds)).y?.data).toEqual(new Float32Array(72).fill(16));
    await session.release();
    expect(told).toEqual([
      "1 of 1 nodes run on the CPU, since ONNX Runtime's CUDA provider does not take them: MatMul (1: product)",
    ]);
  });
});
