/** Reads the files of a student: model.json, the weights that it lists, safetensors. */
import { counted } from '../../shared/counted.js';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Tensor } from '@tensorflow/tfjs';
import { exitCodes, readProblem, UserError } from '../../shared/errors.js';
import { ifReachable, ifThere } from '../../shared/files.js';
import type { LayersModelJson } from '../../shared/models/layers-model.js';
import { decodeSafetensors } from '../../shared/models/safetensors.js';
import { must } from '../../shared/must.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import type { TensorFlow } from '../../worker/compute/backends/backend.js';
import type { StudentModel } from '../../worker/compute/student/tfjs/model.js';
import { ownFiles } from '../../worker/compute/teachers/formats/model-files.js';

/** A recipe's student that is no built-in one. */
export type FileStudent = Extract<Recipe['student'], { model: string }>;

/** The student's file: of a folder its model.json, as of teachers. @throws UserError 2 for a folder without one */
export async function fileOf(student: FileStudent, folder: string): Promise<FileStudent> {
  const path = resolve(folder, student.model);
  if ((await ifReachable(stat(path)))?.isDirectory() !== true) return student;
  if ((await ifThere(stat(join(path, 'model.json')))) !== null)
    return { ...student, model: join(student.model, 'model.json') };
  throw new UserError(
    `student.model: the folder ${student.model} has no model.json; an .onnx file, or the model.json of a tfjs LayersModel, was wanted`,
  );
}

/** @param key what names the file, for the message. @throws UserError 2 when it cannot be read */
export async function readStudentFile(key: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new UserError(`${key}: ${path}: ${readProblem(error)}; a file was wanted`, exitCodes.usage, error);
  }
}

/** A student that is a file, read and built, but with other weights than its own. */
export interface Unloaded {
  readonly student: FileStudent;
  /** The recipe's folder. */
  readonly folder: string;
  /** The student's model.json. */
  readonly json: LayersModelJson;
  readonly built: StudentModel;
}

/**
 * Gives the built student the weights of its safetensors file, else those that its model.json lists.
 * @throws UserError 2 when a file is missing, 65 when one is damaged or its tensors are not the student's
 */
export async function loadWeights(tf: TensorFlow, { student, folder, json, built }: Unloaded): Promise<void> {
  const tensors =
    student.weights === undefined
      ? await manifestTensors(tf, student, folder, json)
      : await safetensors(tf, student.weights, folder);
  for (const [name, values] of json.constants) if (!tensors.has(name)) tensors.set(name, tf.tensor1d([...values]));
  const file = student.weights ?? student.model;
  try {
    for (const { spec, variable } of built.weights) {
      const tensor = tensors.get(spec.name);
      if (tensor === undefined)
        throw new UserError(`${file}: no tensor named ${spec.name}, which the student has`, exitCodes.data);
      if (tensor.shape.join() !== variable.shape.join()) {
        throw new UserError(
          `${file}: ${spec.name} is [${tensor.shape.join(', ')}]; the student's is [${variable.shape.join(', ')}]`,
          exitCodes.data,
        );
      }
      variable.assign(tensor);
    }
    const known = new Set(built.weights.map(({ spec }) => spec.name));
    const unknown = [...tensors.keys()].find((name) => !known.has(name));
    if (unknown !== undefined)
      throw new UserError(`${file}: it has a tensor ${unknown}, the student has no such weight`, exitCodes.data);
  } finally {
    tf.dispose([...tensors.values()]);
  }
}

async function safetensors(tf: TensorFlow, file: string, folder: string): Promise<Map<string, Tensor>> {
  const path = resolve(folder, file);
  const found = decodeSafetensors(await readStudentFile('student.weights', path), file);
  return new Map([...found].map(([name, { shape, values }]) => [name, tf.tensor(values, [...shape])]));
}

async function manifestTensors(
  tf: TensorFlow,
  student: FileStudent,
  folder: string,
  json: LayersModelJson,
): Promise<Map<string, Tensor>> {
  const owner = `student ${student.model}`;
  const main = resolve(folder, student.model);
  const tensors = new Map<string, Tensor>();
  for (const group of json.weightsManifest ?? []) {
    const own = await ownFiles({ owner, path: dirname(main), isFolder: false }, group.paths, main);
    const bytes = Buffer.concat(
      await Promise.all(group.paths.map((name) => readStudentFile(owner, must(own, name, 'weight file')))),
    );
    try {
      const decoded = tf.io.decodeWeights(
        bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
        group.weights,
      );
      for (const [name, tensor] of Object.entries(decoded)) {
        const own = json.weightName(name);
        if (own === null) tensor.dispose();
        else tensors.set(own, tensor);
      }
    } catch (error) {
      throw new UserError(
        `${group.paths.join(', ')}: its ${counted(bytes.length, 'byte')} are not the weights that ${student.model} lists; those were wanted`,
        exitCodes.data,
        error,
      );
    }
  }
  return tensors;
}

/** @throws UserError 65 for a weight that is no finite number */
export function checkFinite(student: FileStudent, weights: ReadonlyMap<string, Float32Array>): void {
  for (const [name, values] of weights) {
    const bad = values.find((value) => !Number.isFinite(value));
    if (bad !== undefined)
      throw new UserError(
        `${student.weights ?? student.model}: ${name} holds ${bad}; finite numbers were wanted`,
        exitCodes.data,
      );
  }
}
