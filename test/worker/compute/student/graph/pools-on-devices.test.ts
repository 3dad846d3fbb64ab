/** Max pooling on a device that has no MaxUnpool, against the form of one that has. */
import { describe, expect, it } from 'vitest';
import { must } from '../../../../../shared/must.js';
import { differentiate } from '../../../../../worker/compute/student/graph/differentiate.js';
import { fixGraph } from '../../../../../worker/compute/student/graph/fixed-graph.js';
import { plainForms, type DeviceForms } from '../../../../../worker/compute/student/graph/gradient/operator.js';
import { floatsOf, openSession, tensorMaker } from '../../../../../worker/compute/student/graph/session.js';
import type { KnownValue } from '../../../../../worker/compute/onnx/graph.js';
import { noise } from '../students.js';

async function gradientOf(
  shape: readonly number[],
  { kernel, device }: { readonly kernel: readonly number[]; readonly device: DeviceForms },
): Promise<{ readonly operators: ReadonlySet<string>; readonly gradient: Float32Array }> {
  const operatorSets = new Map([['', 18]]);
  const given = new Map<string, KnownValue>([['x', { type: 'float32', shape }]]);
  const attributes = { kernel_shape: kernel, strides: kernel };
  const nodes = [{ op: 'MaxPool', inputs: ['x'], outputs: ['y'], attributes }];
  const graph = await fixGraph(
    { operatorSets, graph: { nodes, constants: [], inputs: [], outputs: [{ name: 'y' }] } },
    given,
  );
  const backward = differentiate(graph, new Map([['y', 'dy']]), new Set(['x']), device);
  const dy = must(graph.known, 'y');
  const session = await openSession({
    operatorSets,
    graph: {
      nodes: [...graph.nodes, ...backward.nodes],
      constants: backward.constants,
      inputs: [
        { name: 'x', type: 'float32', shape },
        { name: 'dy', ...dy },
      ],
      outputs: [{ name: must(backward.gradients, 'x') }],
    },
  });
  const make = await tensorMaker();
  // In halves, so that windows have several largest values.
  const results = await session.run({
    x: make(
      { type: 'float32', shape },
      noise(shape, 'x').map((value) => Math.round(value * 2) / 2),
    ),
    dy: make(dy, noise(dy.shape, 'dy')),
  });
  await session.release();
  const gradient = floatsOf(must(new Map(Object.entries(results)), must(backward.gradients, 'x')));
  return { operators: new Set(backward.nodes.map(({ op }) => op)), gradient };
}

describe('the gradient of max pooling without MaxUnpool', () => {
  it.each([
    [
      [2, 3, 6, 6],
      [2, 2],
    ],
    [
      [2, 3, 7, 5],
      [2, 2],
    ],
    [
      [1, 2, 7, 9],
      [2, 3],
    ],
    [[2, 2, 9], [3]],
  ])('of %j in windows of %j has the same bits', async (shape, kernel) => {
    const usual = await gradientOf(shape, { kernel, device: plainForms });
    const other = await gradientOf(shape, { kernel, device: { ...plainForms, unpools: false } });
    expect([usual.operators.has('MaxUnpool'), other.operators.has('MaxUnpool')]).toEqual([true, false]);
    expect(other.gradient).toEqual(usual.gradient);
    expect(usual.gradient.some((value) => value !== 0)).toBe(true);
  });
});
