/**
 * Teachers on a server that speaks the Open Inference Protocol, version 2 (KServe; Triton, MLServer, OpenVINO). The
 * teacher's file says which model and version was described where the run was prepared; where it is served is no part
 * of what its labels depend on. Nothing is asked before the first forward.
 */
import { readFile } from 'node:fs/promises';
import PQueue from 'p-queue';
import { exitCodes, UserError } from '../../../../shared/errors.js';
import { mustAt } from '../../../../shared/must.js';
import { sha256Of } from '../../../../shared/sha256.js';
import { keepAnswer, keptAnswer, questionDigest } from './kept-answers.js';
import { ModelServer } from './kserve-client.js';
import {
  datatypes,
  decodeAnswer,
  encodeRequest,
  isDatatype,
  modelMetadata,
  servedModel,
  serverMetadata,
  type ServedAnswer,
  type SentTensor,
  type ServedModel,
  type TensorMetadata,
} from './kserve-messages.js';
import { asRows, badModel, pickName } from './model-errors.js';
import type { ForwardResult, InputValues, ModelInput, Teacher, TeacherFormat, TeacherSource } from './teacher.js';

export const servedFormat: TeacherFormat = {
  name: 'kserve-v2',
  title: 'a model on a server',
  wanted: { file: null, folder: null },
  layouts: ['nchw', 'nhwc'],
  needsNative: false,
  hasSignatures: false,
  isServed: true,
  findFiles: async () => null,
  toOnnx: null,
  open,
};

async function open(source: TeacherSource): Promise<Teacher> {
  const { name, served } = source;
  const [path] = source.paths.values();
  if (served === undefined || path === undefined) throw badModel(name, 'no server is said for it');
  const bytes = await readFile(path);
  const described = servedModel.safeParse(asJson(bytes));
  if (!described.success) throw badModel(name, 'its description is none of a served model');
  const { inputs, outputs } = described.data;
  const output = pickName(
    `teacher ${name}: output`,
    outputs.map((one) => one.name),
    source.outputName,
  );
  const model = new AskedModel(source, new ModelServer(name, served, { stop: source.stop }), {
    described: described.data,
    output,
  });
  const digest = sha256Of(bytes);
  const queue = new PQueue({ concurrency: served.concurrency });
  const rows = inputs.find(({ shape }) => (shape[0] ?? -1) > 0)?.shape[0] ?? null;
  return {
    inputs: inputs.map((input) => modelInput(name, input)),
    fixedRows: rows,
    parameters: 0,
    async forward(given, taps = []) {
      if (taps.length > 0) throw new UserError(`teacher ${name}: a model on a server has no taps; none wanted`);
      return queue.add(() => model.forward(given, digest));
    },
    weightsDigest: async () => null,
    dispose: async () => undefined,
  };
}

/** Null for what is no JSON. */
function asJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
}

/** @throws UserError 65 for a type that holds no numbers */
function modelInput(teacher: string, { name, datatype, shape }: TensorMetadata): ModelInput {
  if (!isDatatype(datatype))
    throw badModel(teacher, `its input "${name}" takes ${datatype}; one of ${datatypes} wanted`);
  return {
    name,
    shape: shape.slice(1).map((dim) => (dim < 0 ? null : dim)),
    integerType: datatype.startsWith('FP') ? null : datatype.toLowerCase(),
  };
}

interface Asked {
  readonly described: ServedModel;
  /** Name of the output that is wanted. */
  readonly output: string;
}

class AskedModel {
  readonly #source: TeacherSource;
  readonly #server: ModelServer;
  readonly #asked: Asked;
  /** The version that was described, else the first that answered; null where none is said. */
  #version: string | null;
  /** Whether the server takes tensors as bytes; null before it was asked. */
  #isBinary: Promise<boolean> | null = null;

  constructor(source: TeacherSource, server: ModelServer, asked: Asked) {
    [this.#source, this.#server, this.#asked] = [source, server, asked];
    this.#version = asked.described.version;
  }

  /** @param digest of the model's description */
  async forward(given: readonly InputValues[], digest: string): Promise<ForwardResult> {
    const { described, output } = this.#asked;
    const inputs = described.inputs.map(({ name, datatype }, i): SentTensor => {
      const { values, shape } = mustAt(given, i, 'input');
      if (!isDatatype(datatype)) throw badModel(this.#source.name, `its input "${name}" takes ${datatype}`);
      return { name, datatype, shape, values };
    });
    const { answers, served } = this.#source;
    const question =
      answers === undefined || served === undefined
        ? ''
        : questionDigest([served.url, digest], encodeRequest(inputs, output, true).bytes);
    const { values, shape } = await this.#live(inputs).then(
      async (answer) => {
        if (answers !== undefined) await keepAnswer(answers, question, answer);
        return answer;
      },
      async (error: unknown) => {
        const isAway = error instanceof UserError && error.exitCode === exitCodes.unavailable;
        const kept = isAway && answers !== undefined ? await keptAnswer(answers, question) : null;
        if (kept === null) throw error;
        return kept;
      },
    );
    return { output: asRows(this.#source, values, shape, given[0]?.shape[0] ?? 0), taps: new Map() };
  }

  async #live(inputs: readonly SentTensor[]): Promise<ServedAnswer> {
    const { described, output } = this.#asked;
    this.#isBinary ??= this.#meet().catch((error: unknown) => {
      this.#isBinary = null;
      throw error;
    });
    const body = encodeRequest(inputs, output, await this.#isBinary);
    const answered = await this.#server.post(`${pathOf(described)}/infer`, body);
    let answer: ServedAnswer;
    try {
      answer = decodeAnswer(answered, output);
    } catch (error) {
      throw badModel(this.#source.name, 'its server gives', error);
    }
    this.#version ??= answer.version;
    if (this.#version !== null && answer.version !== null && answer.version !== this.#version)
      throw this.#another(`version ${answer.version}`);
    return answer;
  }

  /** @returns whether tensors travel as bytes @throws UserError 65 where the server has another model by now */
  async #meet(): Promise<boolean> {
    const { described } = this.#asked;
    const { isBinary, model } = await describeServed(this.#source.name, this.#server, described.version);
    if (model.platform !== described.platform) throw this.#another(`a model of "${model.platform}"`);
    return isBinary;
  }

  #another(found: string): UserError {
    const { platform } = this.#asked.described;
    const wish = found.startsWith('version') ? `version ${this.#version}` : `one of "${platform}"`;
    return badModel(this.#source.name, `its server has ${found}; ${wish} wanted, as where the run was prepared`);
  }
}

function pathOf({ model, version }: Pick<ServedModel, 'model' | 'version'>): string {
  const of = version === null ? '' : `/versions/${encodeURIComponent(version)}`;
  return `/v2/models/${encodeURIComponent(model)}${of}`;
}

/** What a server says of a model; inputs and outputs are empty where it says none. */
export interface Description {
  readonly model: ServedModel;
  /** Whether tensors may travel as bytes. */
  readonly isBinary: boolean;
}

/**
 * Asks a server what its model is.
 *
 * @param version the one that is wanted; null: the only one
 * @throws UserError 69 where it cannot be reached, 77 where it refuses, 65 for another answer, 2 for several versions
 */
export async function describeServed(
  teacher: string,
  server: ModelServer,
  version: string | null = server.address.version,
): Promise<Description> {
  const { model } = server.address;
  const host = serverMetadata.safeParse(await server.get('/v2'));
  const found = modelMetadata.safeParse(await server.get(pathOf({ model, version })));
  if (!found.success || !host.success)
    throw badModel(teacher, `what its server says of "${model}" is not of the Open Inference Protocol 2`);
  const { versions, platform, inputs, outputs } = found.data;
  const known = versions ?? [];
  if (version === null && known.length > 1)
    throw new UserError(
      `teacher ${teacher}: its server has the versions ${known.join(', ')}; one wanted: url: .../versions/${known.at(-1)}`,
    );
  return {
    isBinary: host.data.extensions?.includes('binary_tensor_data') === true,
    model: {
      protocol: 'kserve-v2',
      model,
      version: version ?? known[0] ?? null,
      platform: platform ?? '',
      inputs: inputs ?? [],
      outputs: outputs ?? [],
    },
  };
}
