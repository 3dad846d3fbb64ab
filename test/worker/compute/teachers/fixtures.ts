/** Teachers to test with: the ONNX files and values of test/reference/teachers.py, and tfjs models made on the spot. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import type { TeacherSpec } from '../../../../shared/protocol/messages.js';
import type { TensorFlow } from '../../../../worker/compute/backends/backend.js';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
export const referenceFolder = join(root, 'test/reference/data/teachers');

interface Reference {
  readonly inputs: number[];
  readonly shape: number[];
  readonly rows: number;
  readonly classes: number;
  readonly logits: number[];
  readonly parameters: number;
  /** After the ReLU, channels last. */
  readonly relu: number[];
  readonly quantizedLogits: number[];
  readonly halfLogits: number[];
  readonly mixture: {
    readonly logits: number[][];
    readonly weights: number[];
    readonly temperatures: number[];
    readonly expected: Record<'logits' | 'probabilities', number[]>;
  };
}
export const reference = JSON.parse(readFileSync(join(referenceFolder, 'teachers.json'), 'utf8')) as Reference;

export async function openTensorFlow(): Promise<TensorFlow> {
  setWasmPaths(join(root, 'node_modules/@tensorflow/tfjs-backend-wasm/dist/'));
  await tf.setBackend('wasm');
  return tf;
}

/** For teachers that must not need tfjs. */
export function noTensorFlow(): Promise<TensorFlow> {
  return Promise.reject(new Error('tfjs was opened'));
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'stillhouse-teachers-'));
}

/** A CNN with batch norm and dropout over samples of the reference's shape, all weights drawn from a seed. */
export function makeLayersModel(classes = reference.classes, inputShape = reference.shape): tf.Sequential {
  const init = tf.initializers.randomNormal({ stddev: 0.7, seed: 5 });
  const model = tf.sequential();
  model.add(
    tf.layers.conv2d({
      filters: 4,
      kernelSize: 3,
      padding: 'same',
      activation: 'relu',
      kernelInitializer: init,
      inputShape,
    }),
  );
  model.add(
    tf.layers.batchNormalization({
      movingMeanInitializer: tf.initializers.constant({ value: 0.3 }),
      movingVarianceInitializer: tf.initializers.constant({ value: 2 }),
    }),
  );
  model.add(tf.layers.dropout({ rate: 0.5 }));
  model.add(tf.layers.flatten());
  model.add(tf.layers.dense({ units: classes, kernelInitializer: init }));
  return model;
}

/**
 * Writes FOLDER/model.json and its weights in two files, as tfjs's own converters lay them out. @returns model.json's
 * path
 */
export async function saveLayersModel(model: tf.LayersModel, folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      const bytes = Buffer.from(artifacts.weightData as ArrayBuffer);
      writeFileSync(join(folder, 'a.bin'), bytes.subarray(0, 100));
      writeFileSync(join(folder, 'b.bin'), bytes.subarray(100));
      const weightsManifest = [{ paths: ['a.bin', 'b.bin'], weights: artifacts.weightSpecs }];
      writeFileSync(
        join(folder, 'model.json'),
        JSON.stringify({ format: 'layers-model', modelTopology: artifacts.modelTopology, weightsManifest }),
      );
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    }),
  );
  return join(folder, 'model.json');
}

/** A GraphModel that gives softmax(flatten(x) * W): placeholder, reshape, matrix product, softmax. */
export function saveGraphModel(folder: string): { readonly path: string; readonly kernel: Float32Array } {
  mkdirSync(folder, { recursive: true });
  const size = reference.shape.reduce((a, b) => a * b, 1);
  const kernel = Float32Array.from({ length: size * reference.classes }, (_, i) => Math.sin(i));
  const shape = Int32Array.from([-1, size]);
  const dim = (sizes: number[]) => ({ shape: { dim: sizes.map((one) => ({ size: String(one) })) } });
  const node = (name: string, op: string, input: string[], attr: object) => ({
    name,
    op,
    input,
    attr: { T: { type: 'DT_FLOAT' }, dtype: { type: 'DT_FLOAT' }, ...attr },
  });
  const modelTopology = {
    node: [
      node('images', 'Placeholder', [], { shape: dim([-1, ...reference.shape]) }),
      node('W', 'Const', [], dim([size, reference.classes])),
      { ...node('flat_shape', 'Const', [], dim([2])), attr: { dtype: { type: 'DT_INT32' } } },
      node('flat', 'Reshape', ['images', 'flat_shape'], {}),
      node('logits', 'MatMul', ['flat', 'W'], { transpose_a: { b: false }, transpose_b: { b: false } }),
      node('probabilities', 'Softmax', ['logits'], {}),
    ],
    versions: { producer: 1 },
  };
  const weights = [
    { name: 'W', shape: [size, reference.classes], dtype: 'float32' },
    { name: 'flat_shape', shape: [2], dtype: 'int32' },
  ];
  writeFileSync(join(folder, 'w.bin'), Buffer.concat([Buffer.from(kernel.buffer), Buffer.from(shape.buffer)]));
  writeFileSync(
    join(folder, 'model.json'),
    JSON.stringify({ format: 'graph-model', modelTopology, weightsManifest: [{ paths: ['w.bin'], weights }] }),
  );
  return { path: join(folder, 'model.json'), kernel };
}

export interface SpecAndFiles {
  readonly spec: TeacherSpec;
  readonly files: ReadonlyMap<string, string>;
}

/** A teacher's spec for files that lie in one folder. */
export function describeTeacher(
  paths: readonly string[],
  fields: Partial<TeacherSpec> & Pick<TeacherSpec, 'format'>,
): SpecAndFiles {
  const files = paths.map((path) => {
    const bytes = readFileSync(path);
    return {
      name: path.slice(dirname(path).length + 1),
      sha256: createHash('sha256').update(bytes).digest('hex'),
      bytes: bytes.length,
      path,
    };
  });
  const spec: TeacherSpec = {
    name: 'tiny',
    weight: 1,
    temperature: 4,
    output: 'logits',
    layout: 'nhwc',
    classes: reference.classes,
    parameters: 0,
    files: files.map(({ name, sha256, bytes }) => ({ name, sha256, bytes })),
    ...fields,
  };
  return { spec, files: new Map(files.map((file) => [file.sha256, file.path])) };
}

export function tinyOnnx(fields: Partial<TeacherSpec> = {}, file = 'tiny.onnx'): SpecAndFiles {
  return describeTeacher([join(referenceFolder, file)], { format: 'onnx', layout: 'nchw', ...fields });
}
