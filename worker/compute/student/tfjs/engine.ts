/**
 * The engine that runs a student one tfjs operation at a time, on the backend that the worker has opened. It takes every
 * student that can be trained reproducibly at all.
 */
import { zeroedTopology } from '../../../../shared/models/initializers.js';
import type { StudentEngine } from '../engine.js';
import { layersObjection } from './layers.js';
import { buildStudentModel } from './model.js';
import { TfjsStudent } from './student.js';

export const tfjsEngine: StudentEngine = {
  name: 'tfjs',
  objectionTo: ({ spec }) =>
    'graph' in spec
      ? 'the student is an ONNX graph, which TensorFlow.js does not compute'
      : layersObjection(spec.topology),
  build: async (definition, backend) => {
    const { spec } = definition;
    if ('graph' in spec) throw new Error('a student without layers');
    const tf = await backend.openTensorFlow();
    return new TfjsStudent(tf, definition, await buildStudentModel(tf, zeroedTopology(spec.topology)));
  },
};
