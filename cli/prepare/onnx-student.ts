/** Looks at a student that is an ONNX file: its inputs, its outputs, its weights, and whether it can be trained. */
import { counted } from '../../shared/counted.js';
import { dirname, resolve } from 'node:path';
import { exitCodes, UserError } from '../../shared/errors.js';
import type { GraphSpec } from '../../shared/models/student-spec.js';
import { decodeSafetensors } from '../../shared/models/safetensors.js';
import { must } from '../../shared/must.js';
import { widthText } from '../../shared/task.js';
import { readOnnxFacts } from '../../worker/compute/onnx/facts.js';
import type { ExternalFiles } from '../../worker/compute/onnx/read.js';
import { fixGraph, type FixedGraph } from '../../worker/compute/student/graph/fixed-graph.js';
import { inputsOf, onnxForward } from '../../worker/compute/student/graph/onnx-forward.js';
import { apart, readOnnxStudent, type OnnxStudentFile } from '../../worker/compute/student/graph/read-student.js';
import { ownFiles } from '../../worker/compute/teachers/formats/model-files.js';
import type { Expected } from './expected.js';
import type { InspectedStudent } from './inspected-student.js';
import { checkFinite, readStudentFile, type FileStudent } from './student-files.js';
import { inputsFor } from './student-inputs.js';

/** Whether a recipe's student is an ONNX file. */
export function isOnnxFile({ model }: FileStudent): boolean {
  return /\.onnx$/i.test(model);
}

/** @throws UserError 2 when it does not fit the data or a file is missing, 65 when the file cannot be trained */
export async function inspectOnnxStudent(
  student: FileStudent,
  expected: Expected,
  folder: string,
): Promise<InspectedStudent> {
  const path = resolve(folder, student.model);
  const file = await readStudentFile('student.model', path);
  const read = readOnnxStudent(student.model, file, await externalFiles(student, path, file));
  const values = student.weights === undefined ? read.values : await ownWeights(student, read, folder);
  checkFinite(student, values);
  const { inputs, sources, remarks } = inputsFor(student, read.model, expected);
  const outputs = read.model.graph.outputs.map((output) => output.name);
  const spec: GraphSpec = {
    graph: {
      file: Buffer.from(read.bare).toString('base64'),
      inputs,
      ...(sources === undefined ? {} : { sources }),
    },
    engine: 'onnx',
    weights: [...read.weights],
    inputShape: [...expected.inputShape],
    classes: expected.classes,
    ...(expected.positions === undefined ? {} : { positions: expected.positions }),
    ...(outputs.length === 1 ? {} : { exits: outputs.slice(0, -1) }),
  };
  await checkOutputs(student, spec, expected);
  return { spec, weights: values, warnings: [...remarks, ...warningsOf(student, read, outputs)] };
}

function warningsOf(
  { model }: FileStudent,
  { isFolded, merged }: OnnxStudentFile,
  outputs: readonly string[],
): string[] {
  return [
    ...(merged.length > 0
      ? [
          `student ${model}: ${merged.map(({ name, nodes, value }) => `${name} (all ${value}) is one weight of ${nodes} nodes`).join(', ')}: exporters merge weights that are equal, and they are trained as one; where the network has them apart, ${apart} wanted`,
        ]
      : []),
    ...(isFolded
      ? [
          `student ${model}: its batch norm seems to have been folded into its convolutions and is gone from training; to keep it, export with training=torch.onnx.TrainingMode.TRAINING and do_constant_folding=False`,
        ]
      : []),
    ...(outputs.length > 1
      ? [
          `student ${model}: it has ${outputs.length} outputs; ${outputs.at(-1) ?? ''}, the last one, is its answer, and ${outputs.slice(0, -1).join(', ')} are earlier exits`,
        ]
      : []),
  ];
}

async function externalFiles({ model }: FileStudent, path: string, file: Buffer): Promise<ExternalFiles> {
  let names: readonly string[];
  try {
    names = readOnnxFacts(file).externalFiles;
  } catch (error) {
    throw new UserError(
      `student ${model}: it is damaged or no ONNX model; a whole one was wanted`,
      exitCodes.data,
      error,
    );
  }
  const own = await ownFiles({ owner: `student ${model}`, path: dirname(path), isFolder: false }, names, path);
  const found = [...own].map(async ([name, at]) => {
    const bytes = await readStudentFile(`student.model: ${name} beside ${model}`, at);
    return [name, bytes] as const;
  });
  return new Map(await Promise.all(found));
}

/** Weights of a safetensors file, by the initialisers' names. */
async function ownWeights(
  { weights: file = '' }: FileStudent,
  { weights }: OnnxStudentFile,
  folder: string,
): Promise<ReadonlyMap<string, Float32Array>> {
  const found = decodeSafetensors(await readStudentFile('student.weights', resolve(folder, file)), file);
  return new Map(
    weights.map(({ name, shape }) => {
      const tensor = found.get(name);
      if (tensor === undefined)
        throw new UserError(`${file}: no tensor named ${name}, which the student has`, exitCodes.data);
      if (tensor.shape.join() !== shape.join())
        throw new UserError(
          `${file}: ${name} is [${tensor.shape.join(', ')}]; the student's is [${shape.join(', ')}]`,
          exitCodes.data,
        );
      return [name, tensor.values] as const;
    }),
  );
}

/** A number that no export is likely to have fixed. */
const trialRows = 3;

/** Runs it once, and looks at what it gives. */
async function checkOutputs({ model }: FileStudent, spec: GraphSpec, expected: Expected): Promise<void> {
  const { classes, positions, task } = expected;
  const fixed = await tried(model, spec);
  for (const name of fixed.outputs) {
    const [rows, ...shape] = must(fixed.known, name, 'output').shape;
    const wanted = [...(positions === undefined ? [] : [positions]), classes];
    if (rows !== trialRows)
      throw new UserError(
        `student ${model}: it gives ${counted(rows ?? 0, 'row')} for ${trialRows} samples; a dynamic batch was wanted (dynamic_axes, or dynamic_shapes, when it is exported)`,
        exitCodes.data,
      );
    if (shape.join() !== wanted.join())
      throw new UserError(
        `student ${model}: the shape of its output ${name} is [${shape.join(', ')}]; the data has ${widthText(task, classes)}${positions === undefined ? '' : ` at ${counted(positions, 'position')}`}`,
      );
  }
}

async function tried(model: string, spec: GraphSpec): Promise<FixedGraph> {
  const forward = await onnxForward(spec, { isTraining: false, rows: trialRows, taps: [] });
  const { nodes, constants, operatorSets, exits, answer } = forward;
  const outputs = [...exits, answer].map((name) => ({ name }));
  try {
    return await fixGraph(
      { operatorSets, graph: { nodes, constants, inputs: [], outputs } },
      inputsOf(spec, trialRows),
    );
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : '';
    throw new UserError(
      `student ${model}: it does not run on ${trialRows} samples at once (a dynamic batch was wanted: dynamic_axes, or dynamic_shapes, when it is exported): ${reason.slice(0, 300)}`,
      exitCodes.data,
      error,
    );
  }
}
