/**
 * ONNX teachers on onnxruntime-node, on this process's provider. Its `run` resolves later but computes on the calling
 * thread (onnxruntime-node 1.30): see ensemble.ts.
 */
import { readFile } from 'node:fs/promises';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { UserError } from '../../../../shared/errors.js';
import { mustAt } from '../../../../shared/must.js';
import { onnxRuntime } from '../../backends/onnxruntime/runtime.js';
import { createSession } from '../../backends/onnxruntime/sessions.js';
import { forInference } from '../../onnx/inference.js';
import { readOnnxFacts, type OnnxFileFacts } from '../../onnx/facts.js';
import { openOnnxSession, type OpenSession } from './onnx-session.js';
import { findOnnxTaps, withOnnxOutputs, type OnnxTap } from './onnx-taps.js';
import { decodeValues, encodedTypes, encoderFor, type Encoded } from './onnx-values.js';
import { activationsOf, type RawTap } from './taps.js';
import { filesBeside } from './model-files.js';
import { asRows, badModel, pickName } from './model-errors.js';
import type {
  ForwardResult,
  GivenModel,
  ModelInput,
  Teacher,
  TeacherFormat,
  TeacherSource,
  WantedTaps,
} from './teacher.js';

export const onnxFormat: TeacherFormat = {
  name: 'onnx',
  title: 'an ONNX model',
  wanted: { file: 'an .onnx file', folder: null },
  layouts: ['nchw', 'nhwc'],
  needsNative: false,
  hasSignatures: false,
  findFiles,
  toOnnx: null,
  open: openOnnx,
};

async function findFiles({ teacher, model, path, isFolder }: GivenModel): Promise<Map<string, string> | null> {
  if (isFolder || !/\.onnx$/i.test(path)) return null;
  const bytes = await readFile(path);
  let names: readonly string[];
  try {
    names = readOnnxFacts(bytes).externalFiles;
  } catch (error) {
    throw badModel(teacher, `${model} is damaged or no ONNX model`, error);
  }
  return filesBeside({ owner: `teacher ${teacher}`, path, isFolder }, names);
}

/** @throws UserError 65 when the file cannot be loaded, 2 when the recipe names an output that it lacks */
async function openOnnx(source: TeacherSource): Promise<Teacher> {
  const { Tensor: OnnxTensor } = await onnxRuntime();
  const file = await load(source, (model) => createSession(model, `teacher ${source.name}`));
  const { session } = file;
  const inputs = session.inputMetadata.map((input) => readInput(source.name, input));
  const output = pickName(`teacher ${source.name}: output`, session.outputNames, source.outputName);
  checkOutput(source.name, session, output);
  const tapped = new TappedSessions(source, file);
  return {
    inputs,
    fixedRows: inputs.find(({ rows }) => rows !== null)?.rows ?? null,
    parameters: file.facts.parameters,
    async forward(given, wanted = []) {
      const feeds = Object.fromEntries(
        inputs.map(({ name, type, encode }, i) => {
          const { values, shape } = mustAt(given, i, 'input');
          return [name, new OnnxTensor(type, encode(values), shape)];
        }),
      );
      const { session: own, taps } = wanted.length === 0 ? { session, taps: [] } : await tapped.open(wanted);
      const outputs = await run(source.name, own, feeds, [output, ...taps.map(({ value }) => value)]);
      if (wanted === 'all') await own.release();
      return readResult(source, outputs, { output, taps, wanted, rows: given[0]?.shape[0] ?? 0 });
    },
    weightsDigest: async () => null,
    async dispose() {
      await tapped.release();
      await session.release();
    },
  };
}

/** @throws UserError 65 for an output that is no tensor */
function checkOutput(name: string, { outputMetadata }: InferenceSession, output: string): void {
  const found = outputMetadata.find((one) => one.name === output);
  if (found?.isTensor === false)
    throw badModel(
      name,
      `its output "${output}" is no tensor (scikit-learn's converters write a map by class); numbers were wanted: convert it with options={id(model): {"zipmap": False}}`,
    );
}

interface LoadedFile {
  readonly session: InferenceSession;
  readonly facts: OnnxFileFacts;
  /** The file's model once more, with these taps among its outputs. */
  readonly withOutputs: (taps: readonly OnnxTap[]) => Promise<InferenceSession>;
  readonly find: (wanted: WantedTaps) => Promise<OnnxTap[]>;
}

async function load(source: TeacherSource, create: OpenSession): Promise<LoadedFile> {
  const [file, ...others] = source.paths;
  if (file === undefined) throw badModel(source.name, 'it has no file');
  const [name, path] = file;
  const open = async (change: (model: Uint8Array) => Uint8Array): Promise<InferenceSession> => {
    const model = change(forInference(await readFile(path)));
    return openOnnxSession(create, model, others).catch((error: unknown) => {
      throw badModel(source.name, `${name} is not a model that onnxruntime can load`, error);
    });
  };
  try {
    const facts = readOnnxFacts(await readFile(path));
    const find = async (wanted: WantedTaps): Promise<OnnxTap[]> =>
      findOnnxTaps(source.name, await readFile(path), wanted);
    return {
      facts,
      find,
      session: await open((model) => model),
      withOutputs: (taps) => open((model) => withOnnxOutputs(model, taps)),
    };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw badModel(source.name, `${name} is not a model that onnxruntime can load`, error);
  }
}

/**
 * A session of its own for each set of taps, opened when it is first asked for. The session without taps stays: with
 * inner values among its outputs onnxruntime fuses fewer operators, and its logits may differ in their last bits.
 */
class TappedSessions {
  readonly #name: string;
  readonly #file: LoadedFile;
  readonly #open = new Map<string, Promise<{ session: InferenceSession; taps: OnnxTap[] }>>();

  constructor(source: TeacherSource, file: LoadedFile) {
    this.#name = source.name;
    this.#file = file;
  }

  /** The session for `all` is the caller's to release; others are kept. */
  async open(wanted: WantedTaps): Promise<{ session: InferenceSession; taps: readonly OnnxTap[] }> {
    if (wanted === 'all') return this.#openAll();
    const key = JSON.stringify(wanted);
    const found = this.#open.get(key) ?? this.#openNew(wanted);
    this.#open.set(key, found);
    return found;
  }

  async release(): Promise<void> {
    const opened = await Promise.allSettled(this.#open.values());
    for (const one of opened) if (one.status === 'fulfilled') await one.value.session.release();
  }

  async #openNew(wanted: readonly string[]): Promise<{ session: InferenceSession; taps: OnnxTap[] }> {
    const taps = await this.#file.find(wanted);
    const session = await this.#file.withOutputs(taps);
    const odd = taps.find(({ value }) => !isNumbers(session, value));
    if (odd !== undefined) throw badModel(this.#name, `its tap "${odd.name}" holds no numbers`);
    return { session, taps };
  }

  async #openAll(): Promise<{ session: InferenceSession; taps: OnnxTap[] }> {
    const taps = await this.#file.find('all');
    const session = await this.#file.withOutputs(taps);
    return { session, taps: taps.filter(({ value }) => isNumbers(session, value)) };
  }
}

const numberTypes: ReadonlySet<string> = new Set(['float32', 'float16', 'float64']);

function isNumbers(session: InferenceSession, name: string): boolean {
  const found = session.outputMetadata.find((one) => one.name === name);
  return found?.isTensor === true && numberTypes.has(found.type);
}

async function run(
  name: string,
  session: InferenceSession,
  feeds: Record<string, Tensor>,
  fetches: readonly string[],
): Promise<InferenceSession.OnnxValueMapType> {
  return session.run(feeds, [...new Set(fetches)]).catch((error: unknown) => {
    if (error instanceof UserError) throw error; // what runs where was not as demanded
    throw badModel(name, 'onnxruntime cannot run it', error);
  });
}

interface OnnxInput extends ModelInput {
  readonly type: Tensor.Type;
  /** The number of rows that it insists on. */
  readonly rows: number | null;
  readonly encode: (values: Float32Array) => Encoded;
}

/** @throws UserError 65 for an input that no numbers go into */
function readInput(teacher: string, input: InferenceSession.ValueMetadata): OnnxInput {
  const { name } = input;
  if (!input.isTensor) throw badModel(teacher, `its input "${name}" is no tensor`);
  const { type } = input;
  const encode = encoderFor(type);
  if (encode === undefined) throw badModel(teacher, `its input "${name}" is ${type}; wanted one of ${encodedTypes}`);
  const [rows = null, ...shape] = input.shape.map((dim) => (typeof dim === 'number' ? dim : null));
  return { name, shape, rows, type, encode, integerType: type.startsWith('float') ? null : type };
}

interface Fetched {
  readonly output: string;
  readonly taps: readonly OnnxTap[];
  readonly wanted: WantedTaps;
  readonly rows: number;
}

function readResult(
  source: TeacherSource,
  outputs: InferenceSession.OnnxValueMapType,
  { output, taps, wanted, rows }: Fetched,
): ForwardResult {
  const { name } = source;
  const raw = taps.map((tap): RawTap => ({ name: tap.name, ...readValue(name, outputs[tap.value]) }));
  const logits = readValue(name, outputs[output]);
  const isChannelsFirst = taps.every(({ from }) => from === undefined);
  return {
    output: asRows(source, logits.values, logits.dims, rows),
    taps: activationsOf(raw, { teacher: name, rows, wanted, isChannelsFirst }),
  };
}

function readValue(name: string, tensor: Tensor | undefined): { values: Float32Array; dims: readonly number[] } {
  const values = tensor === undefined ? null : decodeValues(tensor);
  if (tensor === undefined || values === null)
    throw badModel(name, `its output is ${tensor?.type ?? 'missing'}; wanted numbers`);
  return { values, dims: tensor.dims };
}
