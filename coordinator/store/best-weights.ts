/**
 * The student's weights at its best evaluation, on the disk before that evaluation's journal line. Behind them stand a
 * mark, the step of the evaluation, and the SHA-256 of the run's id, the step and the weights.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, UserError } from '../../shared/errors.js';
import { ifThere } from '../../shared/files.js';
import type { StudentSpec } from '../../shared/models/student-spec.js';
import { elementsIn } from '../../shared/shape.js';
import { storing, writeDurably } from './durable-files.js';

const mark = 'BESTSTEP';
const digestBytes = 32;
const trailerBytes = mark.length + 8 + digestBytes;

/** Where a run keeps them, relative to its folder. */
export const bestFile = join('snapshots', 'best.weights');

/** The folder of a run, and its id. */
interface RunPlace {
  readonly path: string;
  readonly run: string;
}

/**
 * Writes the weights, one after the other in the order of the map, as raw float32, and the trailer.
 *
 * @param step of the evaluation
 * @throws UserError 69 when the storage fails
 */
export async function writeBest(
  { path, run }: RunPlace,
  weights: ReadonlyMap<string, Float32Array>,
  step: number,
): Promise<void> {
  const pieces = [...weights.values()].map(
    (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  );
  const file = join(path, bestFile);
  await storing(file, () => writeDurably(file, [...pieces, trailerOf(run, step, pieces)]));
}

function trailerOf(run: string, step: number, pieces: readonly Uint8Array[]): Uint8Array {
  const head = Buffer.alloc(mark.length + 8);
  head.write(mark, 'latin1');
  head.writeBigUInt64LE(BigInt(step), mark.length);
  const hash = createHash('sha256').update(`${run}\n`).update(head);
  for (const piece of pieces) hash.update(piece);
  return Buffer.concat([head, hash.digest()]);
}

/** The best weights as they lie on the disk. */
export interface BestContent {
  /** The step of the evaluation; null in a file of an earlier version, which no digest guards. */
  readonly step: number | null;
  /** The weights, one after the other. */
  readonly bytes: Uint8Array;
}

/** What the file holds; null where it is missing or damaged, or another run's. */
export async function readBestContent({ path, run }: RunPlace): Promise<BestContent | null> {
  const content = await ifThere(readFile(join(path, bestFile)));
  if (content === null) return null;
  const at = content.length - trailerBytes;
  if (at < 0 || content.toString('latin1', at, at + mark.length) !== mark) return { step: null, bytes: content };
  const step = Number(content.readBigUInt64LE(at + mark.length));
  const bytes = content.subarray(0, at);
  return trailerOf(run, step, [bytes]).every((value, i) => value === content[at + i]) ? { step, bytes } : null;
}

/** The weights by name; null where they are not this student's. */
export function bestWeights({ bytes }: BestContent, spec: StudentSpec): Map<string, Float32Array> | null {
  if (bytes.length !== spec.weights.reduce((sum, { shape }) => sum + 4 * elementsIn(shape), 0)) return null;
  let at = 0;
  return new Map(
    spec.weights.map(({ name, shape }) => {
      const values = new Float32Array(Uint8Array.prototype.slice.call(bytes, at, (at += 4 * elementsIn(shape))).buffer);
      return [name, values];
    }),
  );
}

/**
 * The weights of the best evaluation, by name.
 *
 * @param place the run's folder, and its id
 * @param step of the evaluation
 * @param options `force`: go on without where they are damaged, and say so to `warn`
 * @returns null where the run goes on without
 * @throws UserError (65) where they are missing or damaged, and nothing is forced
 */
export async function bestStudent(
  place: RunPlace,
  step: number,
  spec: StudentSpec,
  { force, warn }: { readonly force: boolean; readonly warn: (line: string) => void },
): Promise<Map<string, Float32Array> | null> {
  const content = await readBestContent(place);
  const weights = content === null ? null : bestWeights(content, spec);
  if (weights !== null && (content?.step ?? step) === step) return weights;
  const file = join(place.path, bestFile);
  const what = `${file} is missing or damaged, the student of the best evaluation, at step ${step}`;
  if (!force)
    throw new UserError(`${what}; put it back from a copy, or go on without student-best by --force`, exitCodes.data);
  warn(`${what}; there is no student-best`);
  return null;
}
