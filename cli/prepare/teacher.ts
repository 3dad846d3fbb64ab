/**
 * Looks at a teacher's files before a run starts: format, digests, size, and one trial forward, which tells whether it
 * takes the data's samples and gives the data's classes. What is wrong is said here, in one line, not by a worker
 * later.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { exitCodes, UserError } from '../../shared/errors.js';
import type { TeacherSpec } from '../../shared/protocol/messages.js';
import { keyedSeed, randomStream } from '../../shared/random.js';
import type { Preprocess, TeacherRecipe } from '../../shared/recipe/schema.js';
import { widthText, type Task } from '../../shared/task.js';
import { canarySample } from '../../worker/compute/teachers/canary.js';
import { classOrder } from '../../worker/compute/teachers/class-order.js';
import { objectionTo } from '../../worker/compute/teachers/ensemble.js';
import { forwardInFixedRows } from '../../worker/compute/teachers/fixed-rows.js';
import { feedShape, type Layout } from '../../worker/compute/teachers/formats/layout.js';
import { readOnnxFacts } from '../../worker/compute/teachers/formats/onnx-file.js';
import { openTeacher } from '../../worker/compute/teachers/teacher-formats.js';
import { rescaleOf } from '../../worker/compute/teachers/preprocess.js';
import { savedModelFile, savedModelPaths } from '../../worker/compute/teachers/formats/saved-model-files.js';
import { tapShapes, type TapShape } from '../../worker/compute/teachers/formats/taps.js';
import {
  badModel,
  type OpenTensorFlow,
  type Teacher,
  type WantedTaps,
} from '../../worker/compute/teachers/formats/teacher.js';
import { parseModelJson, tfjsFormat, weightFiles } from '../../worker/compute/teachers/formats/tfjs-files.js';

export interface ExpectedTeacher {
  /** One sample of the data, channels last. */
  readonly inputShape: readonly number[];
  readonly classes: number;
  /** Default: classes. */
  readonly task?: Task;
  /** Of a sequence, at each of which it gives its classes. */
  readonly positions?: number | undefined;
  readonly openTensorFlow: OpenTensorFlow;
  /** On the native backend, which a SavedModel needs. */
  readonly openNative?: OpenTensorFlow;
  /** Inner values whose shapes are asked for. */
  readonly taps?: WantedTaps;
  /** Names of the data's classes, by label. */
  readonly classNames?: readonly string[] | undefined;
  /** What the samples have been through. */
  readonly preprocess?: Preprocess | null;
}

export interface InspectedTeacher {
  readonly spec: TeacherSpec;
  /** Where each of the spec's files lies, by SHA-256. */
  readonly paths: ReadonlyMap<string, string>;
  /** Lines for the user about what looks odd; the run can go on. */
  readonly warnings: readonly string[];
  /** Those that were asked for. */
  readonly taps: readonly TapShape[];
}

/**
 * @param folder the recipe's, which the model's path is relative to
 * @throws UserError 2 when the recipe asks for what is not there or does not fit, 65 when a file is damaged or another
 */
export async function inspectTeacher(
  recipe: TeacherRecipe,
  folder: string,
  expected: ExpectedTeacher,
): Promise<InspectedTeacher> {
  const found = await findFiles(recipe, folder);
  const files = await Promise.all(
    [...found.paths].map(async ([name, path]) => ({ name, path, ...(await digestFile(path)) })),
  );
  checkDigest(recipe, files);
  const named = {
    ...(recipe.input === undefined ? {} : { input: recipe.input }),
    ...(recipe.outputName === undefined ? {} : { outputName: recipe.outputName }),
    ...(recipe.signature === undefined ? {} : { signature: recipe.signature }),
  };
  const { openTensorFlow, openNative = openTensorFlow } = expected;
  const teacher = await openTeacher(
    { name: recipe.name, format: found.format, positions: expected.positions, ...named, paths: found.paths },
    found.format === 'saved-model' ? openNative : openTensorFlow,
  );
  try {
    const layout = chooseLayout(recipe, teacher, found.format, expected.inputShape);
    const taps = await tapShapes(teacher, layout.shape, expected.taps ?? []);
    const output = expected.task === 'multiLabel' && recipe.output === 'probabilities' ? 'independent' : recipe.output;
    const outputs = await tryOut({ name: recipe.name, output, positions: expected.positions }, teacher, layout.shape);
    const classMap = await mapClasses(recipe, folder, outputs.classes, expected);
    const own =
      recipe.preprocess === undefined
        ? {}
        : {
            rescale: rescaleOf(
              recipe.name,
              recipe.preprocess,
              expected.preprocess ?? null,
              expected.inputShape.at(-1) ?? 1,
            ),
          };
    const spec: TeacherSpec = {
      name: recipe.name,
      format: found.format,
      weight: recipe.weight,
      temperature: recipe.temperature ?? null,
      output,
      ...named,
      layout: layout.layout,
      classes: expected.classes,
      ...(expected.positions === undefined ? {} : { positions: expected.positions }),
      ...classMap,
      ...specialtyOf(recipe, expected),
      ...own,
      parameters: teacher.parameters,
      ...(await canaryOf(recipe.name, teacher, layout.shape)),
      files: files.map(({ name, sha256, bytes }) => ({ name, sha256, bytes })),
    };
    return { spec, paths: new Map(files.map((file) => [file.sha256, file.path])), warnings: outputs.warnings, taps };
  } finally {
    await teacher.dispose();
  }
}

/** @throws UserError 2 for a class that the data does not have */
function specialtyOf(
  { name, specialist }: TeacherRecipe,
  { classes, classNames }: ExpectedTeacher,
): Pick<TeacherSpec, 'specialist'> {
  if (specialist === undefined) return {};
  return {
    specialist: specialist.map((one) => {
      const number = typeof one === 'number' ? one : (classNames?.indexOf(one) ?? -1);
      if (number >= 0 && number < classes) return number;
      const known =
        typeof one === 'number' ? `0 to ${classes - 1}` : (classNames?.join(', ') ?? 'a number, or data.classNames');
      throw new UserError(
        `teacher ${name}: specialist: ${JSON.stringify(one)} is no class of the data; ${known} wanted`,
      );
    }),
  };
}

interface FoundFiles {
  readonly format: TeacherSpec['format'];
  /** By name relative to the model file's folder; the model file first. */
  readonly paths: ReadonlyMap<string, string>;
}

async function findFiles(recipe: TeacherRecipe, folder: string): Promise<FoundFiles> {
  const given = resolve(folder, recipe.model);
  const isIn = await isFolder(recipe, given);
  if (isIn && (await exists(join(given, savedModelFile))))
    return { format: 'saved-model', paths: await savedModelPaths(given) };
  if (recipe.signature !== undefined)
    throw new UserError(
      `teacher ${recipe.name}: signature "${recipe.signature}" given for ${recipe.model}, which is no SavedModel; none wanted`,
    );
  const path = isIn ? join(given, 'model.json') : given;
  const [main, place] = [basename(path), dirname(path)];
  const bytes = await readModel(recipe, path, given);
  const isOnnx = /\.onnx$/i.test(main);
  if (!isOnnx && !/\.json$/i.test(main))
    throw new UserError(
      `teacher ${recipe.name}: model "${recipe.model}" is of an unknown format; wanted an .onnx file or the model.json of a tfjs model`,
    );
  const json = isOnnx ? null : parseModelJson(recipe.name, bytes.toString('utf8'));
  const others = json === null ? externalFiles(recipe, bytes) : weightFiles(json);
  const paths = new Map([[main, path]]);
  for (const other of others) {
    const where = join(place, other);
    if (!(await exists(where)))
      throw new UserError(`teacher ${recipe.name}: file ${where} is missing; ${main} keeps weights in it`);
    paths.set(other, where);
  }
  return { format: json === null ? 'onnx' : tfjsFormat(json), paths };
}

async function isFolder(recipe: TeacherRecipe, path: string): Promise<boolean> {
  if (!(await exists(path))) throw new UserError(`teacher ${recipe.name}: model ${path} does not exist`);
  return (await stat(path)).isDirectory();
}

async function readModel(recipe: TeacherRecipe, path: string, given: string): Promise<Buffer> {
  if (await exists(path)) return readFile(path);
  throw new UserError(
    `teacher ${recipe.name}: the folder ${given} has no model.json; wanted an .onnx file, a folder with the model.json of a tfjs model, or a SavedModel's`,
  );
}

function externalFiles(recipe: TeacherRecipe, bytes: Uint8Array): readonly string[] {
  try {
    return readOnnxFacts(bytes).externalFiles;
  } catch (error) {
    throw badModel(recipe.name, `${recipe.model} is damaged or no ONNX model`, error);
  }
}

interface DigestedFile {
  readonly name: string;
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}

/**
 * One file: its SHA-256. Several: that of their lines as sha256sum prints them (`sha256sum model.json ... |
 * sha256sum`).
 */
export function modelDigest(files: readonly Pick<DigestedFile, 'name' | 'sha256'>[]): string {
  const [only] = files;
  if (only !== undefined && files.length === 1) return only.sha256;
  return createHash('sha256')
    .update(files.map((file) => `${file.sha256}  ${file.name}\n`).join(''))
    .digest('hex');
}

function checkDigest(recipe: TeacherRecipe, files: readonly DigestedFile[]): void {
  const actual = modelDigest(files);
  if (recipe.sha256 === undefined || recipe.sha256 === actual) return;
  throw new UserError(
    `teacher ${recipe.name}: the SHA-256 of ${recipe.model} is ${actual}; the recipe wants ${recipe.sha256}`,
    exitCodes.data,
  );
}

/** The recipe's layout, else the one that fits; where both do, channels first for ONNX and channels last for tfjs. */
function chooseLayout(
  recipe: TeacherRecipe,
  teacher: Teacher,
  format: TeacherSpec['format'],
  sample: readonly number[],
): { layout: Layout; shape: readonly number[] } {
  const likely: readonly Layout[] = format === 'onnx' ? ['nchw', 'nhwc'] : ['nhwc', 'nchw'];
  for (const layout of recipe.layout === undefined ? likely : [recipe.layout]) {
    const shape = feedShape(teacher.sampleShape, sample, layout);
    if (shape !== null) return { layout, shape };
  }
  const takes = teacher.sampleShape.map((dim) => dim ?? 'any').join(', ');
  throw new UserError(
    `teacher ${recipe.name}: its input shape is [${takes}]; the data's samples are [${sample.join(', ')}]${recipe.layout === undefined ? '' : ` with layout ${recipe.layout}`}`,
  );
}

/** @throws UserError 2 when the model's classes are not the data's, by number or by name */
async function mapClasses(
  recipe: TeacherRecipe,
  folder: string,
  outputs: number,
  expected: ExpectedTeacher,
): Promise<Pick<TeacherSpec, 'classMap'>> {
  const { task = 'classes' } = expected;
  const names = typeof recipe.classes === 'string' ? await readNames(resolve(folder, recipe.classes)) : recipe.classes;
  if (names === undefined || expected.classNames === undefined) {
    if (outputs !== expected.classes)
      throw new UserError(
        `teacher ${recipe.name}: it gives ${outputs}${task === 'classes' ? ` classes; the data has ${expected.classes}` : `; the data has ${widthText(task, expected.classes)}`}`,
      );
    return {};
  }
  if (expected.classNames.length !== expected.classes)
    throw new UserError(
      `data.classNames: ${expected.classNames.length} names given; the data has ${expected.classes} classes`,
    );
  if (names.length !== outputs)
    throw new UserError(`teacher ${recipe.name}: classes: ${names.length} names given; it gives ${outputs} classes`);
  return { classMap: { outputs, order: classOrder(recipe.name, names, expected.classNames) } };
}

async function readNames(path: string): Promise<string[]> {
  return (await readFile(path, 'utf8'))
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** One forward of noise. */
async function tryOut(
  recipe: Pick<TeacherSpec, 'name' | 'output' | 'positions'>,
  teacher: Teacher,
  shape: readonly number[],
): Promise<{ classes: number; warnings: string[] }> {
  const rows = teacher.fixedRows ?? 2;
  const stream = randomStream([keyedSeed(['inspect']), recipe.name]);
  const inputs = Float32Array.from({ length: rows * shape.reduce((a, b) => a * b, 1) }, () => stream.float());
  const { output: raw } = await teacher.forward(inputs, [rows, ...shape]);
  const classes = raw.length / rows / (recipe.positions ?? 1);
  const text = objectionTo(recipe.output, raw, classes);
  return { classes, warnings: text === null ? [] : [`teacher ${recipe.name}: ${text}`] };
}

async function canaryOf(
  name: string,
  teacher: Teacher,
  sampleShape: readonly number[],
): Promise<Pick<TeacherSpec, 'canary'>> {
  const { output } = await forwardInFixedRows(teacher, canarySample(name, sampleShape), {
    rows: 1,
    sampleShape,
    fixedRows: 2,
  });
  return output.every(Number.isFinite) ? { canary: [...output] } : {};
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return false;
    throw error;
  }
}

async function digestFile(path: string): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { sha256: hash.digest('hex'), bytes };
}
