/** Models as they come by download: ONNX, SavedModel, safetensors, and the topologies of LayersModels and GraphModels. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readLayersModel } from '../../../shared/models/layers-model.js';
import { decodeSafetensors, encodeSafetensors } from '../../../shared/models/safetensors.js';
import { UserError } from '../../../shared/errors.js';
import type { TensorFlow } from '../../../worker/compute/backends/backend.js';
import { foreignReach } from '../../../worker/compute/onnx/reach.js';
import { readOnnxFacts } from '../../../worker/compute/onnx/facts.js';
import { readOnnxStudent } from '../../../worker/compute/student/graph/read-student.js';
import { foreignOperation } from '../../../worker/compute/teachers/formats/saved-model-graph.js';
import { openTeacher, recogniseModel } from '../../../worker/compute/teachers/teacher-formats.js';
import { mutateBytes, mutateJson, mutateText, pick } from '../mutate.js';
import type { Target } from '../target.js';

// From the sources and from dist/ alike.
const root = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../../..' : '../../../..', import.meta.url));
const reference = join(root, 'test/reference/data');

/** Readers of protobuf say RangeError for what is none; whoever calls them makes it a refusal. */
async function refusing(work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw error instanceof RangeError ? new UserError(error.message) : error;
  }
}

export const onnx: Target = {
  name: 'onnx',
  share: 10,
  open: async () => {
    const files = ['tiny.onnx', 'external.onnx', 'half.onnx', 'two-outputs.onnx'].map((name) =>
      readFileSync(join(reference, 'teachers', name)),
    );
    return {
      run: (random) => {
        const file = mutateBytes(pick(random, files), random);
        return refusing(() => {
          readOnnxFacts(file);
          foreignReach(file, new Set());
          readOnnxStudent('m.onnx', file, new Map([['external.bin', new Uint8Array(64)]]));
        });
      },
    };
  },
};

export const savedModel: Target = {
  name: 'saved-model',
  share: 10,
  open: async () => {
    const file = readFileSync(join(reference, 'saved-model/tiny/saved_model.pb'));
    return {
      run: (random) => refusing(() => foreignOperation(mutateBytes(file, random), ['StatefulPartitionedCall:0'])),
    };
  },
};

export const safetensors: Target = {
  name: 'safetensors',
  share: 10,
  open: async () => {
    const file = encodeSafetensors(
      new Map([
        ['a', { shape: [2, 2], values: Float32Array.of(1, 2, 3, 4) }],
        ['b', { shape: [], values: Float32Array.of(5) }],
      ]),
      { format: 'pt' },
    );
    return { run: (random) => void decodeSafetensors(mutateBytes(file, random), 'w.safetensors') };
  },
};

const topology = {
  class_name: 'Sequential',
  config: {
    name: 'm',
    layers: [
      {
        class_name: 'Conv2D',
        config: {
          name: 'c',
          filters: 2,
          kernel_size: [2, 2],
          strides: [1, 1],
          padding: 'same',
          batch_input_shape: [null, 4, 4, 1],
          dtype: 'float32',
        },
      },
      { class_name: 'BatchNormalization', config: { name: 'bn', axis: -1 } },
      { class_name: 'Flatten', config: { name: 'f' } },
      { class_name: 'Dense', config: { name: 'd', units: 3, activation: 'softmax' } },
    ],
  },
};
const layersJson = {
  format: 'layers-model',
  modelTopology: topology,
  weightsManifest: [
    {
      paths: ['w.bin'],
      weights: [
        { name: 'c/kernel', shape: [2, 2, 1, 2], dtype: 'float32' },
        { name: 'c/bias', shape: [2], dtype: 'float32' },
        ...['gamma', 'beta', 'moving_mean', 'moving_variance'].map((name) => ({
          name: `bn/${name}`,
          shape: [2],
          dtype: 'float32',
        })),
        { name: 'd/kernel', shape: [32, 3], dtype: 'float32' },
        { name: 'd/bias', shape: [3], dtype: 'float32' },
      ],
    },
  ],
};
const float = { type: 'DT_FLOAT' };
const graphJson = {
  format: 'graph-model',
  modelTopology: {
    node: [
      {
        name: 'x',
        op: 'Placeholder',
        attr: { dtype: float, shape: { shape: { dim: [{ size: '-1' }, { size: '4' }] } } },
      },
      { name: 'W', op: 'Const', attr: { dtype: float, value: { tensor: { dtype: 'DT_FLOAT', tensorShape: {} } } } },
      { name: 'y', op: 'MatMul', input: ['x', 'W'], attr: { T: float } },
      { name: 'z', op: 'Softmax', input: ['y'], attr: { T: float } },
    ],
    versions: { producer: 1 },
  },
  weightsManifest: [{ paths: ['w.bin'], weights: [{ name: 'W', shape: [4, 3], dtype: 'float32' }] }],
};

/** A topology is read alone, without TensorFlow.js, so that many cases can be tried. */
export const topologies: Target = {
  name: 'topologies',
  share: 10,
  open: async () => {
    const text = JSON.stringify(layersJson);
    return {
      run: (random) => {
        const changed =
          random.below(2) === 0 ? mutateText(text, random) : JSON.stringify(mutateJson(layersJson, random));
        readLayersModel(changed, 'model.json');
      },
    };
  },
};

/** Opened as a run opens them: few cases. */
export const tfjs: Target = {
  name: 'tfjs',
  share: 0.5,
  open: async (folder) => {
    mkdirSync(folder, { recursive: true });
    const { openWasm } = await import('../../../worker/compute/backends/wasm/wasm.js');
    const { tf }: { readonly tf: TensorFlow } = await openWasm();
    const path = join(folder, 'model.json');
    return {
      run: async (random) => {
        const model = pick<unknown>(random, [layersJson, graphJson]);
        writeFileSync(path, JSON.stringify(random.below(8) === 0 ? model : mutateJson(model, random)));
        writeFileSync(join(folder, 'w.bin'), new Float32Array(8 + 2 + 8 + 96 + 3));
        const found = await recogniseModel({ teacher: 't', model: 'model.json', path, isFolder: false });
        if (found === null) throw new UserError('of no known format');
        const { format, paths } = found;
        const teacher = await openTeacher({ name: 't', format: format.name, paths }, async () => tf);
        try {
          const given = teacher.inputs.map(({ shape }) => {
            const whole = [2, ...shape.map((size) => size ?? 3)];
            const length = whole.reduce((a, b) => a * b, 1);
            if (length > 1e6) throw new UserError('samples of another size');
            return { values: new Float32Array(length), shape: whole };
          });
          await teacher.forward(given);
        } finally {
          await teacher.dispose();
        }
      },
    };
  },
};
