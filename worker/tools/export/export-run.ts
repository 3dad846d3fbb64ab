/** The student of a finished run, from its folder, written again in the forms that are wanted. */
import { copyFile, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere, makeFolders } from '../../../shared/files.js';
import { atWork } from '../../../shared/long-work.js';
import { codeOf, exitCodes, UserError } from '../../../shared/errors.js';
import { factsIn } from '../../../shared/models/layers-model.js';
import { decodeSafetensors, type NamedTensor } from '../../../shared/models/safetensors.js';
import { factsAsTexts, factsFromTexts, type StudentFacts } from '../../../shared/models/student-facts.js';
import { jsonSchema, layersOf, type Json } from '../../../shared/models/topology.js';
import { readOnnxMetadata } from '../../compute/onnx/facts.js';
import { forInference } from '../../compute/onnx/inference.js';
import { withMetadata } from '../../compute/onnx/metadata.js';
import { withScaledInput } from '../../compute/onnx/scaled-input.js';
import { studentOnnx } from '../../compute/onnx/layers/layers-model.js';
import { onnxFile, tfjsFiles, type ExportFormat } from './export-student.js';
import { scalingOf, withPreprocessing } from './preprocessing-layer.js';

const filesOf: Readonly<Record<ExportFormat, readonly string[]>> = {
  tfjs: ['model.json', 'weights.bin'],
  safetensors: ['student.safetensors'],
  onnx: [],
};

export interface RunExport {
  readonly formats: readonly ExportFormat[];
  /** Whether the preprocessing becomes a part of the graph, so that raw samples are fed. */
  readonly isPreprocessed?: boolean;
}

/**
 * Writes the student. A graph that was exported for training is written for inference: others would run it with the
 * moments of whatever batch they feed.
 * @returns the files written
 * @throws UserError 65 when the folder holds no student, 2 when it is not there or a form has no graph to put
 * preprocessing into
 */
export async function exportRun(
  run: string,
  out: string,
  { formats, isPreprocessed = false }: RunExport,
): Promise<string[]> {
  const student = join(run, 'student');
  const found = await stat(run).catch(() => null);
  if (found?.isDirectory() !== true)
    throw new UserError(
      `${run}: ${found === null ? 'no such folder' : 'it is a file'}; the folder of a run was wanted`,
    );
  if ((await stat(student).catch(() => null)) === null)
    throw new UserError(`${run}: holds no student yet; a finished run was wanted`, exitCodes.data);
  await atWork(`reading the student in ${run}`);
  const graph = await ifThere(readFile(join(student, onnxFile)));
  if (graph !== null) checkGraph(run, formats);
  if (isPreprocessed) checkForms(formats);
  const isMadeAnew = graph === null && (isPreprocessed || formats.includes('onnx'));
  const own = isMadeAnew ? await readStudent(student) : null;
  const whole = own !== null && isPreprocessed ? fedRaw(own) : own;
  const onnx = formats.includes('onnx') ? (whole === null ? asItAnswers(graph, isPreprocessed) : onnxOf(whole)) : null;
  await makeFolders(out).catch((error: unknown) => {
    throw noPlace(out, error);
  });
  await atWork(`writing the student into ${out}`);
  if (onnx !== null) await written(join(out, onnxFile), (path) => writeFile(path, onnx));
  const names = formats.flatMap((format) => filesOf[format]);
  if (isPreprocessed && whole !== null && formats.includes('tfjs'))
    for (const [name, content] of writtenAnew(whole))
      await written(join(out, name), (path) => writeFile(path, content));
  else for (const name of names) await written(join(out, name), (path) => copyFile(join(student, name), path));
  return [...names, ...(onnx === null ? [] : [onnxFile])].map((name) => join(out, name));
}

/** Has a file written under another name, so that a process that ends meanwhile leaves no half of it. */
async function written(path: string, write: (path: string) => Promise<void>): Promise<void> {
  const aside = `${path}.part`;
  await write(aside);
  await rename(aside, path);
}

function noPlace(out: string, error: unknown): UserError {
  const why = codeOf(error) === 'ENOTDIR' ? 'a file is in the way' : `it cannot be made (${codeOf(error)})`;
  return new UserError(
    `--out ${out}: ${why}; a folder that can be written to was wanted`,
    exitCodes.unavailable,
    error,
  );
}

function asItAnswers(graph: Uint8Array | null, isPreprocessed: boolean): Uint8Array | null {
  if (graph === null) return null;
  const answering = forInference(graph);
  return isPreprocessed ? graphFedRaw(answering) : answering;
}

/** The graph as one that takes raw samples. */
function graphFedRaw(graph: Uint8Array): Uint8Array {
  const facts = factsFromTexts(readOnnxMetadata(graph));
  if (facts === null) throw noFacts(onnxFile);
  const { preprocess } = facts.input;
  if (preprocess === null) return graph;
  const told = { ...facts, input: { ...facts.input, preprocess: null } };
  return withMetadata(withScaledInput(graph, scalingOf(preprocess, facts.input)), factsAsTexts(told));
}

/** A student that came as an ONNX graph goes as that. @throws UserError 2 when something else is wanted */
function checkGraph(run: string, formats: readonly ExportFormat[]): void {
  if (formats.includes('tfjs'))
    throw new UserError(
      `${run}: its student is an ONNX graph, which has no form in tfjs; onnx or safetensors was wanted`,
    );
}

/** @throws UserError 2 for a form that preprocessing cannot be put into */
function checkForms(formats: readonly ExportFormat[]): void {
  if (formats.includes('safetensors'))
    throw new UserError(
      '--with-preprocessing: safetensors given, which holds weights and no graph; --format tfjs, onnx or both wanted',
    );
}

function noFacts(file: string): UserError {
  return new UserError(
    `${file}: it does not say what the student is fed; a run of this version was wanted for --with-preprocessing`,
    exitCodes.data,
  );
}

interface StoredStudent {
  /** The path of its model.json, for messages. */
  readonly file: string;
  readonly topology: Json;
  readonly weights: ReadonlyMap<string, NamedTensor>;
  /** Null in a run of an earlier version. */
  readonly facts: StudentFacts | null;
}

async function readStudent(student: string): Promise<StoredStudent> {
  const file = join(student, 'model.json');
  const json = jsonSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  const weights = decodeSafetensors(await readFile(join(student, 'student.safetensors')), 'student.safetensors');
  return { file, topology: jsonSchema.parse(json.modelTopology), weights, facts: factsIn(json) };
}

/** The student as one that takes raw samples. */
function fedRaw(student: StoredStudent): StoredStudent {
  const { file, topology, weights, facts } = student;
  if (facts === null) throw noFacts(file);
  const { shape, preprocess } = facts.input;
  if (preprocess === null) return student;
  return {
    ...withPreprocessing({ topology, weights }, preprocess, shape.at(-1) ?? 1),
    file,
    facts: { ...facts, input: { ...facts.input, preprocess: null } },
  };
}

function writtenAnew({ topology, weights, facts }: StoredStudent): ReturnType<typeof tfjsFiles> {
  const specs = [...weights].map(([name, { shape }]) => ({
    name,
    layer: name,
    shape: [...shape],
    kind: 'frozen' as const,
  }));
  const values = new Map([...weights].map(([name, tensor]) => [name, tensor.values]));
  return tfjsFiles({ topology, weights: specs }, values, facts ?? undefined);
}

/**
 * @throws UserError 65, naming layer and type, for what cannot be written, and for a student whose shapes are not told
 */
function onnxOf({ file, topology, weights, facts }: StoredStudent): Uint8Array {
  const batchShape = layersOf(topology)
    .map(({ config }) => config.batch_input_shape)
    .find((shape) => Array.isArray(shape));
  const inputShape = (batchShape ?? []).slice(1).filter((dim) => typeof dim === 'number');
  if (inputShape.length === 0 || inputShape.length !== (batchShape ?? []).length - 1)
    throw new UserError(`${file}: its input has no fixed shape; one was wanted for ONNX`, exitCodes.data);
  return studentOnnx({ topology, inputShape }, weights, facts === null ? {} : factsAsTexts(facts));
}
