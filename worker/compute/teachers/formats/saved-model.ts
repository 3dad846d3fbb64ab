/**
 * TensorFlow SavedModel teachers, on the native backend alone: a signature of the graph, which was frozen into
 * inference mode when it was saved. Its taps are the signature's other outputs: what lies inside its functions cannot
 * be asked for.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, UserError } from '../../../../shared/errors.js';
import { must, mustAt } from '../../../../shared/must.js';
import type { TensorFlow } from '../../backends/backend.js';
import type { GraphNode, SavedModels, Signature, SignatureValue } from '../../backends/native/saved-models.js';
import { openSavedModels } from '../../backends/native/native.js';
import { pathExists } from './model-files.js';
import { foreignOperation, type ForeignOperation } from './saved-model-graph.js';
import { savedModelFile, savedModelPaths, withSavedModelFolder } from './saved-model-files.js';
import { activationsOf } from './taps.js';
import { asRows, badModel, pickName } from './model-errors.js';
import { expectTrust } from './trust.js';
import type { ModelInput, OpenTensorFlow, Teacher, TeacherFormat, TeacherSource, WantedTaps } from './teacher.js';

export const savedModelFormat: TeacherFormat = {
  name: 'saved-model',
  title: 'a SavedModel',
  wanted: { file: null, folder: "a SavedModel's" },
  layouts: ['nhwc', 'nchw'],
  needsNative: true,
  hasSignatures: true,
  findFiles: async ({ teacher, path, isFolder }) =>
    isFolder && (await pathExists(join(path, savedModelFile))) ? savedModelPaths(teacher, path) : null,
  toOnnx: null,
  open: openSavedModel,
};

/**
 * @throws UserError 69 on another backend, 65 when the files are no SavedModel, 2 when the recipe names what it lacks
 */
async function openSavedModel(source: TeacherSource, openTensorFlow: OpenTensorFlow): Promise<Teacher> {
  const tf = await openTensorFlow();
  const savedModels = openSavedModels();
  if (savedModels === null)
    throw new UserError(
      `teacher ${source.name}: a SavedModel needs the native backend; stillhouse backend install cpu (or cuda), then --backend native wanted`,
      exitCodes.unavailable,
    );
  const { session, signature, nodes } = await load(source, savedModels);
  try {
    return teacherOf(source, { tf, savedModels, session, signature, nodes });
  } catch (error) {
    savedModels.close(session);
    throw error;
  }
}

interface Loaded {
  readonly session: number;
  readonly signature: Signature;
  readonly nodes: readonly GraphNode[];
}

/** Variables are read here, so that the folder is needed no longer. */
function load(source: TeacherSource, savedModels: SavedModels): Promise<Loaded> {
  return withSavedModelFolder(source, async (folder) => {
    expectIndex(source);
    const bad = (error: unknown): never => {
      throw badModel(source.name, 'it is not a SavedModel that TensorFlow can load', error);
    };
    const graphs = await savedModels.describe(folder).catch(bad);
    const at = Math.max(
      0,
      graphs.findIndex(({ tags }) => tags.includes('serve')),
    );
    const graph = graphs[at] ?? bad(new Error('it holds no graph'));
    const signature = pickSignature(source, graph.signatureDefs);
    await expectComputing(source, signature);
    const nodes = await savedModels.nodes(folder, at).catch(bad);
    const session = await Promise.resolve()
      .then(() => savedModels.open(folder, graph.tags))
      .catch(bad);
    return { session, signature, nodes };
  });
}

/**
 * Asked before TensorFlow is given the model to load, since loading it runs a part of it.
 *
 * @throws UserError 77 for a model that may do more than compute, and is not trusted; 65 for a damaged file
 */
async function expectComputing({ name, paths, trust }: TeacherSource, { outputs }: Signature): Promise<void> {
  const file = await readFile(must(paths, savedModelFile, 'file of a SavedModel'));
  let found: ForeignOperation | null;
  try {
    found = foreignOperation(
      file,
      Object.values(outputs).map((output) => output.name),
    );
  } catch (error) {
    throw badModel(name, 'it is not a SavedModel that TensorFlow can load', error);
  }
  if (found !== null) expectTrust(name, trust, `node ${found.place} of its graph is a ${found.op}`);
}

/**
 * TensorFlow takes a model without an index for one without variables, and runs it with none restored.
 *
 * @throws UserError 65 when there are variables and no index of them
 */
function expectIndex({ name, paths }: TeacherSource): void {
  const files = [...paths.keys()];
  if (files.some((file) => file.startsWith('variables/')) && !files.includes('variables/variables.index'))
    throw badModel(name, 'its variables have no index; variables/variables.index wanted');
}

function pickSignature(
  { name, signature: wanted = 'serving_default' }: TeacherSource,
  signatures: Readonly<Record<string, Signature>>,
): Signature {
  const names = Object.keys(signatures);
  const key = pickName(
    `teacher ${name}: signature`,
    names,
    names.length === 1 && wanted === 'serving_default' ? undefined : wanted,
  );
  return signatures[key] ?? { inputs: {}, outputs: {} };
}

function teacherOf(
  source: TeacherSource,
  {
    tf,
    savedModels,
    session,
    signature,
    nodes,
  }: Loaded & { readonly tf: TensorFlow; readonly savedModels: SavedModels },
): Teacher {
  const { name } = source;
  const inputs = Object.entries(signature.inputs).map(([input, value]) => readInput(name, input, value));
  const outputName = pickName(`teacher ${name}: output`, Object.keys(signature.outputs), source.outputName);
  const placeOf = (output: string): string => signature.outputs[output]?.name ?? '';
  return {
    inputs,
    fixedRows: inputs.find(({ rows }) => rows !== null)?.rows ?? null,
    parameters: countParameters(nodes, placeOf(outputName)),
    async forward(given, wanted = []) {
      const names = findTaps(name, signature, outputName, wanted);
      const rows = given[0]?.shape[0] ?? 0;
      const fed = inputs.map(({ as, dtype }, i) => {
        const { values, shape } = mustAt(given, i, 'input');
        return { tensor: tf.tidy(() => tf.tensor(values, [...shape]).cast(dtype)), as };
      });
      let outputs: ReturnType<SavedModels['run']> = [];
      try {
        outputs = run(name, () => savedModels.run(session, fed, [outputName, ...names].map(placeOf)));
        const [result, ...taps] = outputs;
        if (result === undefined) throw badModel(name, 'it gives no tensor');
        const raw = await Promise.all(
          taps.map(async (tap, i) => ({
            name: names[i] ?? '',
            values: Float32Array.from(await tap.data()),
            dims: tap.shape,
          })),
        );
        return {
          output: asRows(source, await result.data(), result.shape, rows),
          taps: activationsOf(raw, { teacher: name, rows, wanted, isChannelsFirst: false }),
        };
      } finally {
        tf.dispose([...fed.map(({ tensor }) => tensor), ...outputs]);
      }
    },
    weightsDigest: async () => null,
    async dispose() {
      savedModels.close(session);
    },
  };
}

interface SavedModelInput extends ModelInput {
  readonly as: SignatureValue;
  readonly dtype: 'float32' | 'int32' | 'bool';
  /** The number of rows that it insists on. */
  readonly rows: number | null;
}

/** @throws UserError 65 for an input that no numbers go into */
function readInput(teacher: string, name: string, as: SignatureValue): SavedModelInput {
  const { dtype, tfDtype } = as;
  if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool')
    throw badModel(teacher, `its input "${name}" is ${tfDtype}; wanted numbers`);
  const [rows = null, ...shape] = as.shape.map((dim) => (dim < 0 ? null : dim));
  const integerType = dtype === 'float32' ? null : tfDtype.replace('DT_', '').toLowerCase();
  return { name, shape, rows, as, dtype, integerType };
}

function findTaps(teacher: string, { outputs }: Signature, outputName: string, wanted: WantedTaps): readonly string[] {
  if (wanted === 'all') return Object.keys(outputs).filter((name) => name !== outputName);
  const missing = wanted.find((name) => !(name in outputs));
  if (missing === undefined) return wanted;
  const known = Object.keys(outputs)
    .map((name) => `"${name}"`)
    .join(', ');
  throw new UserError(
    `teacher ${teacher}: tap "${missing}": a SavedModel gives no inner values; one of its signature's outputs (${known}) wanted`,
  );
}

/** Numbers in the variables that the output follows from: no optimizer's, nor another signature's. */
export function countParameters(nodes: readonly GraphNode[], output: string): number {
  const bare = (input: string): string => input.replace(/^\^/, '').replace(/:\d+$/, '');
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const reached = new Set([bare(output)]);
  let numbers = 0;
  for (const name of reached) {
    const { inputs = [], variable = null } = byName.get(name) ?? {};
    for (const input of inputs) reached.add(bare(input));
    numbers += variable?.reduce((a, b) => a * b, 1) ?? 0;
  }
  return numbers;
}

function run<T>(name: string, forward: () => T): T {
  try {
    return forward();
  } catch (error) {
    throw badModel(name, 'TensorFlow cannot run it', error);
  }
}
