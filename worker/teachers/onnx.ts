/**
 * ONNX teachers on onnxruntime-node: CPU, one thread, nodes in sequence, so that a row's bits do not depend on the
 * machine's load. Its `run` resolves later but computes on the calling thread (onnxruntime-node 1.30): see ensemble.ts.
 */
import { readFile } from 'node:fs/promises';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { readOnnxFacts, type OnnxFileFacts } from './onnx-file.js';
import { asRows, badModel, pickName, type Teacher, type TeacherSource } from './teacher.js';

const sessionOptions: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  logSeverityLevel: 3,
};

/** Inputs travel as float32 here; a model may want them in one of these. */
const encoders: Partial<Record<Tensor.Type, (values: Float32Array) => Float32Array | Float64Array | Int32Array | BigInt64Array>> = {
  float32: (values) => values,
  float64: (values) => Float64Array.from(values),
  int32: (values) => Int32Array.from(values),
  int64: (values) => BigInt64Array.from(values, (value) => BigInt(Math.trunc(value))),
};

/** @throws UserError 65 when the file cannot be loaded, 2 when the recipe names an input or output that it lacks */
export async function openOnnx(source: TeacherSource): Promise<Teacher> {
  const { InferenceSession: Session, Tensor: OnnxTensor } = await import('onnxruntime-node');
  const { session, facts } = await load(source, Session.create);
  const input = pickInput(source, session);
  const output = pickName(`teacher ${source.name}: output`, session.outputNames, source.outputName);
  const encode = encoders[input.type];
  if (encode === undefined) throw badModel(source.name, `its input "${input.name}" is ${input.type}; wanted float32, float64, int32 or int64`);
  const [rows = null, ...sampleShape] = input.shape.map((dim) => (typeof dim === 'number' ? dim : null));
  return {
    sampleShape,
    fixedRows: rows,
    parameters: facts.parameters,
    async forward(inputs, shape) {
      const feeds = { [input.name]: new OnnxTensor(input.type, encode(inputs), shape) };
      const outputs = await session.run(feeds, [output]).catch((error: unknown) => {
        throw badModel(source.name, 'onnxruntime cannot run it', error);
      });
      return readOutput(source.name, outputs[output], shape[0] ?? 0);
    },
    dispose: () => session.release(),
  };
}

type Create = (model: Uint8Array, options: InferenceSession.SessionOptions) => Promise<InferenceSession>;

async function load(source: TeacherSource, create: Create): Promise<{ session: InferenceSession; facts: OnnxFileFacts }> {
  const [file, ...others] = source.paths;
  if (file === undefined) throw badModel(source.name, 'it has no file');
  const model = await readFile(file[1]);
  const externalData = await Promise.all(others.map(async ([path, where]) => ({ path, data: await readFile(where) })));
  try {
    const facts = readOnnxFacts(model);
    return { facts, session: await create(model, externalData.length === 0 ? sessionOptions : { ...sessionOptions, externalData }) };
  } catch (error) {
    throw badModel(source.name, `${file[0]} is not a model that onnxruntime can load`, error);
  }
}

function pickInput(source: TeacherSource, session: InferenceSession): InferenceSession.TensorValueMetadata {
  const name = pickName(`teacher ${source.name}: input`, session.inputNames, source.input);
  const other = session.inputNames.find((one) => one !== name);
  if (other !== undefined) throw badModel(source.name, `it also needs the input "${other}"; wanted a model with one input`);
  const found = session.inputMetadata.find((one) => one.name === name);
  if (found?.isTensor === true) return found;
  throw badModel(source.name, `its input "${name}" is no tensor`);
}

function readOutput(name: string, output: Tensor | undefined, rows: number): Float32Array {
  if (output?.data instanceof Float32Array || output?.data instanceof Float64Array) return asRows(name, output.data, output.dims, rows);
  throw badModel(name, `its output is ${output?.type ?? 'missing'}; wanted float32`);
}
