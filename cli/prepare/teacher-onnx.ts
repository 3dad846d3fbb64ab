/**
 * Turns a teacher into ONNX, so that all workers run it in ONNX Runtime, and holds that against the model as it was
 * given. Where it has no such form, or another answer in it, the given model stays, and one line says so.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, UserError } from '../../shared/errors.js';
import { keyedSeed, randomStream } from '../../shared/random.js';
import { sha256Of } from '../../shared/sha256.js';
import { elementsIn } from '../../shared/shape.js';
import { NoOnnxForm } from '../../worker/compute/onnx/no-onnx-form.js';
import { canarySample } from '../../worker/compute/teachers/canary.js';
import type { TeacherFeed } from '../../worker/compute/teachers/feed.js';
import { forwardInFixedRows } from '../../worker/compute/teachers/fixed-rows.js';
import { onnxFormat } from '../../worker/compute/teachers/formats/onnx.js';
import type { OpenTensorFlow, Teacher, TeacherSource } from '../../worker/compute/teachers/formats/teacher.js';
import { formatNamed } from '../../worker/compute/teachers/teacher-formats.js';
import { writeContent } from './content-files.js';
import type { TeacherFiles } from './teacher-files.js';

/** A teacher as it was given, and open. */
export interface GivenTeacher {
  readonly source: TeacherSource;
  readonly teacher: Teacher;
  /** What it is given of samples. */
  readonly feed: TeacherFeed;
  readonly openTensorFlow: OpenTensorFlow;
}

/** The same teacher in ONNX, open; the given one is closed. */
export interface ConvertedTeacher extends TeacherFiles {
  readonly teacher: Teacher;
}

/** The largest difference of two outputs, as a share of their range, that the order of sums explains. */
const tolerance = 1e-4;

/**
 * @param folder where the file is written, named by its SHA-256
 * @returns for one that stays as it is, its teacher open: why
 * @throws UserError 69 when the disk takes no more
 */
export async function convertTeacher(given: GivenTeacher, folder: string): Promise<ConvertedTeacher | string> {
  const { name, format } = given.source;
  const { toOnnx, title } = formatNamed(format, name);
  if (toOnnx === null) return `${title} is not turned into ONNX`;
  let bytes: Uint8Array;
  try {
    bytes = await toOnnx(given.source, given.openTensorFlow);
  } catch (error) {
    if (error instanceof NoOnnxForm) return `${error.part}: ${error.why}`;
    throw error;
  }
  const found = await keep(bytes, folder);
  const [file] = found.files;
  const source = {
    name,
    format: found.format,
    paths: new Map([[file.name, file.path]]),
    positions: given.source.positions,
  };
  const teacher = await onnxFormat.open(source, given.openTensorFlow).catch(asRefusal);
  if (typeof teacher === 'string') return teacher;
  const difference = await differenceOf(given, teacher).catch(asRefusal);
  if (typeof difference === 'number' && difference <= tolerance) {
    await given.teacher.dispose();
    return { ...found, teacher };
  }
  await teacher.dispose();
  return typeof difference === 'string'
    ? difference
    : `its form in ONNX differs from it by ${difference.toPrecision(2)} of its outputs' range, where ${tolerance} at most was wanted`;
}

/** What onnxruntime says of a file that it cannot load or run. */
function asRefusal(error: unknown): string {
  if (error instanceof UserError && error.exitCode === exitCodes.data)
    return `its form in ONNX cannot be used (${error.message})`;
  throw error;
}

async function keep(
  bytes: Uint8Array,
  folder: string,
): Promise<TeacherFiles & { readonly files: readonly [TeacherFiles['files'][number]] }> {
  const sha256 = sha256Of(bytes);
  await mkdir(folder, { recursive: true });
  await writeContent(folder, sha256, bytes);
  const file = { name: 'teacher.onnx', path: join(folder, sha256), sha256, bytes: bytes.length };
  return { format: onnxFormat.name, files: [file] };
}

/**
 * The canary's sample, one of numbers in [0, 1), and one of zeros and ones, which are tokens to a model that reads such.
 * [3 x sample]
 */
function knownSamples(name: string, feed: TeacherFeed): Float32Array {
  const stream = randomStream([keyedSeed(['onnx']), name]);
  const length = elementsIn(feed.sampleShape);
  const noise = Float32Array.from({ length }, () => stream.float());
  const whole = Float32Array.from({ length }, () => Math.floor(2 * stream.float()));
  return Float32Array.from([...canarySample(name, feed), ...noise, ...whole]);
}

/** Largest difference of the two teachers' outputs for known samples, as a share of the given one's range. */
async function differenceOf({ source: { name }, teacher, feed }: GivenTeacher, other: Teacher): Promise<number> {
  const inputs = knownSamples(name, feed);
  const run = async (one: Teacher): Promise<Float32Array> =>
    (await forwardInFixedRows(one, inputs, { rows: 3, feed, fixedRows: 2 })).output;
  const wanted = await run(teacher);
  const actual = await run(other);
  if (actual.length !== wanted.length) return Infinity;
  const range =
    wanted.reduce((most, value) => Math.max(most, value), -Infinity) -
    wanted.reduce((least, value) => Math.min(least, value), Infinity);
  const scale = range > 0 ? range : 1;
  return wanted.reduce((most, value, i) => {
    const off = Object.is(value, actual[i]) ? 0 : Math.abs(value - (actual[i] ?? NaN)) / scale;
    return Number.isNaN(off) ? Infinity : Math.max(most, off);
  }, 0);
}
