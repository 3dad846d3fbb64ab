/**
 * Looks at the recipe's student before a run starts: a built-in one, or a tfjs LayersModel with weights from its own
 * files, from a safetensors file, or drawn anew by its initializers from the run's seed. What is wrong is said here.
 */
import { counted } from '../../shared/counted.js';
import { resolve } from 'node:path';
import { exitCodes, UserError } from '../../shared/errors.js';
import { zeroedTopology } from '../../shared/models/initializers.js';
import { lastOutputAlone, outputLayers } from '../../shared/models/exits.js';
import { readLayersModel } from '../../shared/models/layers-model.js';
import type { StudentSpec, WeightSpec } from '../../shared/models/student-spec.js';
import { jsonSchema, layersOf, modelOf, type Json } from '../../shared/models/topology.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { termsIn } from '../../shared/recipe/terms.js';
import { widthText } from '../../shared/task.js';
import type { TensorFlow } from '../../worker/compute/backends/backend.js';
import { builtinStudent } from '../../worker/compute/student/builtin-students.js';
import { registerOrthogonal } from '../../worker/compute/student/tfjs/orthogonal.js';
import { logitsTopology, seededTopology } from '../../worker/compute/student/tfjs/topology.js';
import { buildStudentModel, type StudentModel } from '../../worker/compute/student/tfjs/model.js';
import type { OpenTensorFlow } from '../../worker/compute/teachers/formats/teacher.js';
import type { Expected } from './expected.js';
import type { InspectedStudent } from './inspected-student.js';
import { inspectOnnxStudent, isOnnxFile } from './onnx-student.js';
import { checkFinite, fileOf, loadWeights, readStudentFile, type FileStudent } from './student-files.js';
import { openWasmTensorFlow } from './tensorflow.js';

export interface StudentOptions {
  /** The recipe's folder, which the student's paths are relative to. */
  readonly folder: string;
  /** The run's seed, which weights without a file are drawn from. */
  readonly seed: number;
  /** Called only when the student is a file. Default: tfjs on the wasm backend. */
  readonly openTensorFlow?: OpenTensorFlow;
}

/**
 * Describes the recipe's student and gives its initial weights.
 * @throws UserError 2 when the student does not fit the data or a file is missing, 65 when a file or a layer is wrong
 */
export async function inspectStudent(
  student: Recipe['student'],
  expected: Expected,
  options: StudentOptions,
): Promise<InspectedStudent> {
  if (!('builtin' in student)) {
    const file = await fileOf(student, options.folder);
    return isOnnxFile(file) ? inspectOnnxStudent(file, expected, options.folder) : inspectFile(file, expected, options);
  }
  const { inputShape, classes, task } = expected;
  if (student.classes !== undefined && student.classes !== classes) {
    throw new UserError(`student.classes is ${student.classes}; the data has ${widthText(task, classes)}`);
  }
  return { ...builtinStudent(student, inputShape, classes, options.seed), warnings: [] };
}

/**
 * Checks that the recipe asks nothing of the student that it cannot do.
 * @throws UserError 2 when a loss compares exits that the student does not have, or when augmentation would change
 * numbers of tokens
 */
export function checkStudent({ losses, data: { augment } }: Recipe, spec: StudentSpec): void {
  const { exits } = spec;
  const term = termsIn(losses).find(({ on }) => on === 'exits');
  if (term !== undefined && exits === undefined)
    throw new UserError(
      `losses.${term.name}: the student has one output; earlier exits wanted (student.exits: true, or a model with several outputs)`,
    );
  const operation = (['noise', 'mixup'] as const).find((key) => augment?.[key] !== undefined);
  if ('graph' in spec) return;
  const reader =
    operation === undefined ? undefined : layersOf(spec.topology).find(({ className }) => className === 'Embedding');
  if (reader !== undefined)
    throw new UserError(
      `data.augment.${operation}: the student's layer "${reader.name}" reads numbers of tokens, which have no values between them; no ${operation} wanted`,
    );
}

async function inspectFile(
  student: FileStudent,
  expected: Expected,
  { folder, seed, openTensorFlow = openWasmTensorFlow }: StudentOptions,
): Promise<InspectedStudent> {
  for (const key of ['layout', 'inputs'] as const)
    if (student[key] !== undefined)
      throw new UserError(`student.${key}: given for ${student.model}; it is for ONNX graphs (.onnx)`);
  const text = (await readStudentFile('student.model', resolve(folder, student.model))).toString('utf8');
  const json = readLayersModel(text, student.model);
  const { topology, stripped } = logitsTopology(json.topology, student.model, expected.task);
  const tf = await openTensorFlow();
  const isDrawn = student.weights === undefined && json.weightsManifest === undefined;
  registerOrthogonal(tf);
  const built = await buildStudentModel(
    tf,
    isDrawn ? await drawnTopology(tf, topology, seed) : zeroedTopology(topology),
  );
  try {
    checkShapes(student.model, built, expected);
    tryTraining(tf, student.model, built, expected.inputShape);
    if (!isDrawn) await loadWeights(tf, { student, folder, json, built });
    const weights = new Map(
      built.weights.map(({ spec: { name }, variable }) => [name, Float32Array.from(variable.dataSync())]),
    );
    checkFinite(student, weights);
    const exits = outputLayers(modelOf(topology)).slice(0, -1);
    const spec: StudentSpec = {
      topology,
      weights: await weightSpecs(tf, topology, built, exits),
      inputShape: [...expected.inputShape],
      classes: expected.classes,
      ...(expected.positions === undefined ? {} : { positions: expected.positions }),
      ...(exits.length === 0 ? {} : { exits }),
    };
    return { spec, weights, warnings: warningsOf(student, expected, { topology, isStripped: stripped, exits }) };
  } finally {
    built.model.dispose();
  }
}

interface Findings {
  readonly topology: Json;
  /** Whether its last activation was left out, so that it gives logits. */
  readonly isStripped: boolean;
  /** Output layers before the last. */
  readonly exits: readonly string[];
}

function warningsOf({ model }: FileStudent, { task }: Expected, { topology, isStripped, exits }: Findings): string[] {
  const warnings: string[] = [];
  const layers = layersOf(topology);
  const mean = layers.find(({ className }) => className === 'GlobalAveragePooling1D');
  const isMasked = layers.some(({ className, config }) => className === 'Masking' || config.mask_zero === true);
  if (mean !== undefined && isMasked)
    warnings.push(
      `student ${model}: its layer ${mean.name} means over masked steps as well, as TensorFlow.js does; Keras would leave them out`,
    );
  if (isStripped)
    warnings.push(
      `student ${model}: its final ${task === 'multiLabel' ? 'sigmoid' : 'softmax'} is left out; the student gives logits`,
    );
  if (exits.length > 0)
    warnings.push(
      `student ${model}: it has ${exits.length + 1} outputs; ${outputLayers(modelOf(topology)).at(-1) ?? ''}, the last one, is its answer, and ${exits.join(', ')} are earlier exits`,
    );
  return warnings;
}

/** Lists the model's weights, with a mark on those of layers that the last output does not need. */
async function weightSpecs(
  tf: TensorFlow,
  topology: Json,
  { weights }: StudentModel,
  exits: readonly string[],
): Promise<WeightSpec[]> {
  const specs = weights.map(({ spec }) => spec);
  if (exits.length === 0) return specs;
  const alone = await buildStudentModel(tf, zeroedTopology(lastOutputAlone(topology)));
  const answering = new Set(alone.weights.map(({ spec }) => spec.name));
  alone.model.dispose();
  return specs.map((spec) => (answering.has(spec.name) ? spec : { ...spec, exit: true }));
}

/** Spells out every initializer of a topology, the default ones too, and keys it by the seed. */
async function drawnTopology(tf: TensorFlow, topology: Json, seed: number): Promise<Json> {
  const { model } = await buildStudentModel(tf, seededTopology(topology, seed));
  const spelledOut: unknown = model.toJSON(undefined, false);
  model.dispose();
  return seededTopology(jsonSchema.parse(spelledOut), seed);
}

/** The model must have one input, for the data's samples, and give as many logits at every output as are wanted. */
function checkShapes(file: string, { model }: StudentModel, { inputShape, classes, positions, task }: Expected): void {
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
      `student ${file}: ${which} is [${gives.map((dim) => dim ?? 'any').join(', ')}]; the data has ${widthText(task, classes)}${positions === undefined ? '' : ` at ${counted(positions, 'position')}`}`,
    );
  }
  const twice = model.outputNames.find((name, i) => model.outputNames.indexOf(name) < i);
  if (twice !== undefined)
    throw new UserError(
      `student ${file}: two of its outputs come from the layer ${twice}; a layer for each was wanted`,
      exitCodes.data,
    );
}

/** Runs one forward and backward of two rows of zeros. @throws UserError 65 when tfjs cannot train the model */
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
