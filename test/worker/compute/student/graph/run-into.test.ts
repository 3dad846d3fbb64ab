import { expect, test } from 'vitest';
import type { OnnxModel } from '../../../../../worker/compute/onnx/graph.js';
import { floatsOf, openSession, tensorMaker } from '../../../../../worker/compute/student/graph/session.js';
import { runInto } from '../../../../../worker/compute/student/graph/run-into.js';

const shape = [64, 1024];
const model: OnnxModel = {
  graph: {
    nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'], attributes: {} }],
    constants: [],
    inputs: [{ name: 'x', type: 'float32', shape }],
    outputs: [{ name: 'y', type: 'float32', shape }],
  },
  operatorSets: new Map([['', 17]]),
};

test('a graph that runs into memory of ours leaves its outputs there and takes no other', async () => {
  const [session, make] = [await openSession(model), await tensorMaker()];
  const [x, y] = [make({ type: 'float32', shape }), make({ type: 'float32', shape })];
  floatsOf(x).fill(2, 0, 5).fill(-2, 5);
  const memory = floatsOf(y);
  await runInto(session, { x }, { y });
  expect(memory.reduce((sum, value) => sum + value)).toBe(10);
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 100; i++) await runInto(session, { x }, { y });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(memory.byteLength);
  expect(floatsOf(y)).toBe(memory);
  await session.release();
});
