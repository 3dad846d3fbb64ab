/**
 * Looks at the recipe's student before a run starts: a built-in one, or a tfjs LayersModel with weights from its own
 * files, from a safetensors file, or drawn anew by its initializers from the run's seed. What is wrong is said here.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Tensor } from '@tensorflow/tfjs';
import { exitCodes, UserError } from '../../shared/errors.js';
import { lastOutputAlone, outputLayers } from '../../shared/models/exits.js';
import { readLayersModel, type LayersModelJson } from '../../shared/models/layers-model.js';
import { decodeSafetensors } from '../../shared/models/safetensors.js';
import type { StudentSpec, WeightSpec } from '../../shared/models/student-spec.js';
import { jsonSchema, modelOf, type Json } from '../../shared/models/topology.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { widthText, type Task } from '../../shared/task.js';
import type { TensorFlow } from '../../worker/compute/backends/backend.js';
import { builtinStudent } from '../../worker/compute/student/builtin-students.js';
import { registerOrthogonal } from '../../worker/compute/student/tfjs/orthogonal.js';
import { logitsTopology, seededTopology, zeroedTopology } from '../../worker/compute/student/tfjs/topology.js';
import { buildStudentModel, type StudentModel } from '../../worker/compute/student/tfjs/model.js';

export interface ExpectedStudent {
  /** One sample of the data, channels last. */
  readonly inputShape: readonly number[];
  readonly classes: number;
  /** Default: classes. */
  readonly task?: Task;
  /** Of a sequence, at each of which it gives its classes. */
  readonly positions?: number | undefined;
  readonly seed: number;
  /** Asked for only when the student is a file. */
  readonly openTensorFlow: () => Promise<TensorFlow>;
}

export interface InspectedStudent {
  readonly spec: StudentSpec;
  /** Initial values by name, in the spec's order. */
  readonly weights: Map<string, Float32Array>;
  /** Lines for the user about what was changed or looks odd; the run can go on. */
  readonly warnings: readonly string[];
}

type FileStudent = Extract<Recipe['student'], { model: string }>;

/**
 * @param folder the recipe's, which paths are relative to
 * @throws UserError 2 when the student does not fit the recipe or a file is missing, 65 when a file or a layer is wrong
 */
export async function inspectStudent(
  student: Recipe['student'],
  folder: string,
  expected: ExpectedStudent,
): Promise<InspectedStudent> {
  if (!('builtin' in student)) return inspectFile(student, folder, expected);
  const { inputShape, classes, seed, task = 'classes' } = expected;
  if (student.classes !== undefined && student.classes !== classes) {
    throw new UserError(`student.classes is ${student.classes}; the data has ${widthText(task, classes)}`);
  }
  return { ...builtinStudent(student, inputShape, classes, seed), warnings: [] };
}

async function inspectFile(student: FileStudent, folder: string, expected: ExpectedStudent): Promise<InspectedStudent> {
  const path = resolve(folder, student.model);
  const json = readLayersModel((await read('student.model', path)).toString('utf8'), student.model);
  const { topology, stripped } = logitsTopology(json.modelTopology, student.model, expected.task);
  const tf = await expected.openTensorFlow();
  const isDrawn = student.weights === undefined && json.weightsManifest === undefined;
  registerOrthogonal(tf);
  const built = await buildStudentModel(
    tf,
    isDrawn ? await drawnTopology(tf, topology, expected.seed) : zeroedTopology(topology),
  );
  try {
    checkShapes(student.model, built, expected);
    tryTraining(tf, student.model, built, expected.inputShape);
    if (!isDrawn) await loadWeights(tf, { student, folder, json, built });
    const exits = outputLayers(modelOf(topology)).slice(0, -1);
    const specs = await withExits(
      tf,
      topology,
      built.weights.map((weight) => weight.spec),
      exits,
    );
    const spec: StudentSpec = {
      topology,
      weights: specs,
      inputShape: [...expected.inputShape],
      classes: expected.classes,
      ...(expected.positions === undefined ? {} : { positions: expected.positions }),
      ...(exits.length === 0 ? {} : { exits }),
    };
    const weights = new Map(
      built.weights.map(({ spec: { name }, variable }) => [name, Float32Array.from(variable.dataSync())]),
    );
    checkFinite(student, weights);
    const warnings = [
      ...(stripped
        ? [
            `student ${student.model}: its final ${expected.task === 'multiLabel' ? 'sigmoid' : 'softmax'} is left out; the student gives logits`,
          ]
        : []),
      ...(exits.length === 0
        ? []
        : [
            `student ${student.model}: it has ${exits.length + 1} outputs; ${outputLayers(modelOf(topology)).at(-1) ?? ''}, the last one, is its answer, and ${exits.join(', ')} are earlier exits`,
          ]),
    ];
    return { spec, weights, warnings };
  } finally {
    built.model.dispose();
  }
}

/** Marks the weights of layers that the last output does not need. */
async function withExits(
  tf: TensorFlow,
  topology: Json,
  specs: WeightSpec[],
  exits: readonly string[],
): Promise<WeightSpec[]> {
  if (exits.length === 0) return specs;
  const alone = await buildStudentModel(tf, zeroedTopology(lastOutputAlone(topology)));
  const answering = new Set(alone.weights.map(({ spec }) => spec.name));
  alone.model.dispose();
  return specs.map((spec) => (answering.has(spec.name) ? spec : { ...spec, exit: true }));
}

/** The topology with every initializer spelled out, the default ones too, and keyed. */
async function drawnTopology(tf: TensorFlow, topology: Json, seed: number): Promise<Json> {
  const { model } = await buildStudentModel(tf, seededTopology(topology, seed));
  const spelledOut: unknown = model.toJSON(undefined, false);
  model.dispose();
  return seededTopology(jsonSchema.parse(spelledOut), seed);
}

async function read(key: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw new UserError(`${key}: ${path} ${isMissing ? 'does not exist' : 'cannot be read'}`, exitCodes.usage, error);
  }
}

/** One input of the data's samples; of every output as many logits as there are classes. */
function checkShapes(
  file: string,
  { model }: StudentModel,
  { inputShape, classes, positions, task = 'classes' }: ExpectedStudent,
): void {
  const [input] = model.inputs;
  if (input === undefined || model.inputs.length > 1)
    throw new UserError(`student ${file}: it has ${model.inputs.length} inputs; one was wanted`, exitCodes.data);
  const takes = input.shape.slice(1);
  if (takes.length !== inputShape.length || takes.some((dim, i) => dim !== null && dim !== inputShape[i])) {
    throw new UserError(
      `student ${file}: its input shape is [${takes.map((dim) => dim ?? 'any').join(', ')}]; the data's samples are [${inputShape.join(', ')}]`,
    );
  }
  for (const [i, output] of model.outputs.entries()) {
    const gives = output.shape.slice(1);
    if (
      gives.at(-1) === classes &&
      (positions === undefined
        ? gives.length === 1
        : gives.length === 2 && (gives[0] === positions || gives[0] === null))
    )
      continue;
    const which =
      model.outputs.length === 1 ? 'its output shape' : `the shape of its output ${model.outputNames[i] ?? ''}`;
    throw new UserError(
      `student ${file}: ${which} is [${gives.map((dim) => dim ?? 'any').join(', ')}]; the data has ${widthText(task, classes)}${positions === undefined ? '' : ` at ${positions} positions`}`,
    );
  }
  const twice = model.outputNames.find((name, i) => model.outputNames.indexOf(name) < i);
  if (twice !== undefined)
    throw new UserError(
      `student ${file}: two of its outputs come from the layer ${twice}; a layer for each was wanted`,
      exitCodes.data,
    );
}

interface Loading {
  readonly student: FileStudent;
  readonly folder: string;
  readonly json: LayersModelJson;
  readonly built: StudentModel;
}

async function loadWeights(tf: TensorFlow, { student, folder, json, built }: Loading): Promise<void> {
  const tensors =
    student.weights === undefined
      ? await manifestTensors(tf, student, folder, json)
      : await safetensors(tf, student.weights, folder);
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
  const found = decodeSafetensors(await read('student.weights', path), file);
  return new Map([...found].map(([name, { shape, values }]) => [name, tf.tensor(values, [...shape])]));
}

async function manifestTensors(
  tf: TensorFlow,
  student: FileStudent,
  folder: string,
  json: LayersModelJson,
): Promise<Map<string, Tensor>> {
  const place = dirname(resolve(folder, student.model));
  const tensors = new Map<string, Tensor>();
  for (const group of json.weightsManifest ?? []) {
    const bytes = Buffer.concat(
      await Promise.all(group.paths.map((path) => read(`student ${student.model}`, join(place, path)))),
    );
    try {
      const decoded = tf.io.decodeWeights(
        bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
        group.weights,
      );
      for (const [name, tensor] of Object.entries(decoded)) tensors.set(name, tensor);
    } catch (error) {
      throw new UserError(
        `${group.paths.join(', ')}: its ${bytes.length} bytes are not the weights that ${student.model} lists`,
        exitCodes.data,
        error,
      );
    }
  }
  return tensors;
}

function checkFinite(student: FileStudent, weights: ReadonlyMap<string, Float32Array>): void {
  for (const [name, values] of weights) {
    const bad = values.find((value) => !Number.isFinite(value));
    if (bad !== undefined)
      throw new UserError(
        `${student.weights ?? student.model}: ${name} holds ${bad}; finite numbers were wanted`,
        exitCodes.data,
      );
  }
}

/** One forward and backward of two rows of zeros. */
function tryTraining(
  tf: TensorFlow,
  file: string,
  { model, weights, norms }: StudentModel,
  inputShape: readonly number[],
): void {
  const variables = weights.filter(({ spec }) => spec.kind === 'trained').map(({ variable }) => variable);
  if (variables.length === 0) throw new UserError(`student ${file}: no weights left to train`, exitCodes.data);
  try {
    tf.tidy(() => {
      tf.variableGrads(() => {
        const outputs = [model.apply(tf.zeros([2, ...inputShape]), { training: true })]
          .flat()
          .filter((output) => output instanceof tf.Tensor);
        return tf.addN(outputs.map((output) => tf.sum(output)));
      }, variables);
    });
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : '';
    throw new UserError(`student ${file}: tfjs cannot train it: ${reason.slice(0, 300)}`, exitCodes.data, error);
  } finally {
    for (const norm of norms.values()) norm.discardStatistics();
  }
}
