/**
 * Looks at a teacher before a run starts: format, digests, size, and one trial forward, which tells whether it takes
 * the data's samples and gives the data's classes. What is wrong is said here, in one line, not by a worker later.
 */
import { UserError } from '../../shared/errors.js';
import type { ServedCanary } from '../../shared/labels/served-canary.js';
import type { TeacherSpec } from '../../shared/protocol/messages.js';
import { keyedSeed, randomStream } from '../../shared/random.js';
import type { TeacherRecipe } from '../../shared/recipe/schema.js';
import { elementsIn } from '../../shared/shape.js';
import { canarySample } from '../../worker/compute/teachers/canary.js';
import { binaryObjection } from '../../worker/compute/teachers/binary.js';
import { outputObjection } from '../../worker/compute/teachers/output-check.js';
import type { TeacherFeed } from '../../worker/compute/teachers/feed.js';
import { forwardInFixedRows } from '../../worker/compute/teachers/fixed-rows.js';
import { tapShapes, type TapShape } from '../../worker/compute/teachers/formats/taps.js';
import type { OpenTensorFlow, Teacher, WantedTaps } from '../../worker/compute/teachers/formats/teacher.js';
import { onnxFormat } from '../../worker/compute/teachers/formats/onnx.js';
import { formatNamed, openTeacher } from '../../worker/compute/teachers/teacher-formats.js';
import type { Expected } from './expected.js';
import { settleCanary } from './served-canary.js';
import { answersFolder, describeTeacher, servedBy } from './served-teacher.js';
import { mapClasses, specialtyOf } from './teacher-classes.js';
import { planFeed, type PlannedFeed } from './teacher-feed.js';
import { readTeacherFiles, type TeacherFiles } from './teacher-files.js';
import { convertTeacher } from './teacher-onnx.js';
import { nativeTensorFlow, openWasmTensorFlow } from './tensorflow.js';

export interface TeacherOptions {
  /** The recipe's folder, which the teacher's paths are relative to. */
  readonly folder: string;
  /** Inner values whose shapes are wanted. Default: none. */
  readonly taps?: WantedTaps;
  /** Called only for a tfjs model. Default: tfjs on the wasm backend. */
  readonly openTensorFlow?: OpenTensorFlow;
  /** Called only for a SavedModel. Default: the native backend with one thread. */
  readonly openNative?: OpenTensorFlow;
  /** Where what servers say of their models is written. Default: nowhere, and such a teacher is refused. */
  readonly servedFolder?: string;
  /** What served models answered where the run that goes on was prepared, by teacher; absent: a new run begins. */
  readonly servedBefore?: ReadonlyMap<string, ServedCanary> | undefined;
  /** Where models are written that are turned into ONNX; absent: none is. */
  readonly onnxFolder?: string | undefined;
}

export interface InspectedTeacher {
  readonly spec: TeacherSpec;
  /** The path of each of the spec's files, by SHA-256. */
  readonly paths: ReadonlyMap<string, string>;
  /** Why it was not turned into ONNX; null where it is in ONNX, or nothing was to be turned. */
  readonly notInOnnx: string | null;
  /** Lines for the user about what looks odd; the run can go on. */
  readonly warnings: readonly string[];
  /** The shapes of the taps that are wanted, channels last. */
  readonly taps: readonly TapShape[];
}

/**
 * Describes one of the recipe's teachers.
 * @throws UserError 2 when the recipe asks for what is not there or does not fit, 65 when a file is damaged or another
 */
export async function inspectTeacher(
  recipe: TeacherRecipe,
  expected: Expected,
  options: TeacherOptions,
): Promise<InspectedTeacher> {
  const { teacher, parameters, planned, found, names, notInOnnx } = await openForm(recipe, expected, options);
  const { form, feed } = planned;
  try {
    const taps = await tapShapes(teacher, (rows) => feed.ofZeros(rows), options.taps ?? []);
    const output = outputOf(recipe, expected);
    const { classes, isBinary, warnings } = await tryOut({ name: recipe.name, output }, expected, { teacher, feed });
    const classMap = await mapClasses(recipe, expected, { folder: options.folder, outputs: classes });
    const looked: TeacherSpec = {
      name: recipe.name,
      format: found.format,
      weight: recipe.weight,
      temperature: recipe.temperature ?? null,
      output,
      ...names,
      ...form,
      classes: expected.classes,
      ...(expected.positions === undefined ? {} : { positions: expected.positions }),
      ...(isBinary ? { isBinary } : {}),
      ...classMap,
      ...specialtyOf(recipe, expected),
      parameters,
      ...(await canaryOf(recipe.name, teacher, feed)),
      files: found.files.map(({ name, sha256, bytes }) => ({ name, sha256, bytes })),
    };
    const { inputShape } = expected;
    const { spec, remarks: ofCanary } = await settleCanary(looked, { inputShape, before: options.servedBefore });
    const paths = new Map(found.files.map((file) => [file.sha256, file.path]));
    const stays =
      notInOnnx === null
        ? []
        : [
            `teacher ${recipe.name}: ${notInOnnx}; it runs as ${formatNamed(found.format, recipe.name).title}, not in ONNX Runtime`,
          ];
    const remarks = [...(found.remarks ?? []), ...ofCanary];
    return { spec, paths, notInOnnx, warnings: [...remarks, ...planned.remarks, ...stays, ...warnings], taps };
  } finally {
    await teacher.dispose();
  }
}

type FoundTeacher = TeacherFiles & { readonly remarks?: readonly string[] };

/** A teacher in the form that a run has it in, open. */
interface OpenForm {
  readonly teacher: Teacher;
  /** The number of parameters of the model as it was given. */
  readonly parameters: number;
  readonly planned: PlannedFeed;
  readonly found: FoundTeacher;
  /** The names of its parts that the form needs. */
  readonly names: Pick<TeacherSpec, 'input' | 'outputName' | 'signature' | 'trust' | 'served'>;
  /** Why a model that should be in ONNX stays as it is. */
  readonly notInOnnx: string | null;
}

async function openForm(recipe: TeacherRecipe, expected: Expected, options: TeacherOptions): Promise<OpenForm> {
  const { openTensorFlow: openPlain = openWasmTensorFlow, openNative = nativeTensorFlow(1), onnxFolder } = options;
  const given = await filesOf(recipe, options);
  const { name } = recipe;
  const { format, files } = given;
  const openTensorFlow = formatNamed(format, name).needsNative ? openNative : openPlain;
  const names = namesIn(recipe);
  const paths = new Map(files.map((file) => [file.name, file.path]));
  const source = { name, format, positions: expected.positions, ...names, paths, answers: answersOf(names) };
  const teacher = await openTeacher(source, openTensorFlow);
  try {
    const planned = planFeed(recipe, teacher.inputs, expected, formatNamed(format, name).layouts);
    const { parameters } = teacher;
    const whole = { parameters, planned };
    const asGiven = { ...whole, teacher, found: given, names };
    if (onnxFolder === undefined || format === onnxFormat.name || names.served !== undefined)
      return { ...asGiven, notInOnnx: null };
    const converted = await convertTeacher({ source, teacher, feed: planned.feed, openTensorFlow }, onnxFolder);
    if (typeof converted === 'string') return { ...asGiven, notInOnnx: converted };
    return { ...whole, teacher: converted.teacher, found: converted, names: {}, notInOnnx: null };
  } catch (error) {
    await teacher.dispose();
    throw error;
  }
}

/** @throws UserError 2 for a teacher on a server where none can be asked */
async function filesOf(recipe: TeacherRecipe, { folder, servedFolder }: TeacherOptions): Promise<FoundTeacher> {
  if (recipe.model !== undefined) return readTeacherFiles(recipe, folder);
  if (servedFolder !== undefined) return describeTeacher(recipe, { folder: servedFolder });
  throw new UserError(`teacher ${recipe.name}: url given; a model in a file wanted here`);
}

function answersOf({ served }: Pick<TeacherSpec, 'served'>): string | undefined {
  return served === undefined ? undefined : answersFolder();
}

/** The names of the model's parts that the recipe gives, and whether it trusts the model. */
function namesIn(recipe: TeacherRecipe): Pick<TeacherSpec, 'outputName' | 'signature' | 'trust' | 'served'> {
  const { outputName, signature, trust } = recipe;
  return {
    ...servedBy(recipe),
    ...(trust === true ? { trust } : {}),
    ...(outputName === undefined ? {} : { outputName }),
    ...(signature === undefined ? {} : { signature }),
  };
}

/** Probabilities of several labels do not sum to 1: each is on its own. */
function outputOf({ output }: TeacherRecipe, { task }: Expected): TeacherSpec['output'] {
  return task === 'multiLabel' && output === 'probabilities' ? 'independent' : output;
}

/** Runs one forward of noise, and tells how many classes it gives and what looks odd about them. */
async function tryOut(
  { name, output }: Pick<TeacherSpec, 'name' | 'output'>,
  expected: Expected,
  { teacher, feed }: { readonly teacher: Teacher; readonly feed: TeacherFeed },
): Promise<{ classes: number; isBinary: boolean; warnings: string[] }> {
  const rows = teacher.fixedRows ?? 2;
  const stream = randomStream([keyedSeed(['inspect']), name]);
  const noise = Float32Array.from({ length: rows * elementsIn(feed.sampleShape) }, () => stream.float());
  const { output: raw } = await teacher.forward(feed.of(feed.isWhole ? noise.map(Math.round) : noise, rows));
  const numbers = raw.length / rows / (expected.positions ?? 1);
  const isBinary = numbers === 1 && expected.classes === 2 && expected.task === 'classes';
  const text = isBinary ? binaryObjection(raw, output) : outputObjection(output, raw, numbers);
  const taken = `it gives one number of each sample, which is taken for the ${output === 'logits' ? 'logit' : 'probability'} of the second class`;
  return {
    classes: isBinary ? 2 : numbers,
    isBinary,
    warnings: [...(isBinary ? [taken] : []), ...(text === null ? [] : [text])].map(
      (line) => `teacher ${name}: ${line}`,
    ),
  };
}

/** Gives what the teacher answers to a fixed sample, by which workers tell that theirs is the same; none if not finite. */
async function canaryOf(name: string, teacher: Teacher, feed: TeacherFeed): Promise<Pick<TeacherSpec, 'canary'>> {
  const { output } = await forwardInFixedRows(teacher, canarySample(name, feed), { rows: 1, feed, fixedRows: 2 });
  return output.every(Number.isFinite) ? { canary: [...output] } : {};
}
