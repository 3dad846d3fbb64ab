/**
 * Answers of served models to what a preparation asks them, by the digest of model and question, so that a run whose
 * labels are all kept can be prepared again while its server is away. FOLDER/<digest>: u32 LE sizes, u32 LE shape,
 * float32 LE values.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere } from '../../../../shared/files.js';
import { sha256Of } from '../../../../shared/sha256.js';
import { elementsIn } from '../../../../shared/shape.js';

/** An output, rows first. */
export interface KeptAnswer {
  readonly values: Float32Array;
  readonly shape: readonly number[];
}

/**
 * The digest of a model and of what it is asked.
 *
 * @param model its address and the digest of its description: two servers may have other weights under one name
 */
export function questionDigest(model: readonly [url: string, description: string], question: Uint8Array): string {
  return sha256Of(JSON.stringify([...model, sha256Of(question)]));
}

export async function keepAnswer(folder: string, digest: string, { values, shape }: KeptAnswer): Promise<void> {
  const head = Uint32Array.of(shape.length, ...shape);
  const content = Buffer.concat([new Uint8Array(head.buffer), new Uint8Array(values.slice().buffer)]);
  await mkdir(folder, { recursive: true });
  const aside = join(folder, `.${digest}.${randomUUID()}`);
  await writeFile(aside, content);
  await rename(aside, join(folder, digest));
}

/** Null where none is kept; one that is damaged is removed. */
export async function keptAnswer(folder: string, digest: string): Promise<KeptAnswer | null> {
  const content = await ifThere(readFile(join(folder, digest)));
  if (content === null) return null;
  const words = Math.floor(content.length / 4);
  const bytes = Uint8Array.from(content.subarray(0, 4 * words)).buffer;
  const sizes = new Uint32Array(bytes);
  const shape = [...sizes.subarray(1, 1 + Math.min(16, sizes[0] ?? 0))];
  const values = new Float32Array(bytes).slice(1 + shape.length);
  if (shape.length > 0 && values.length === elementsIn(shape)) return { values, shape };
  await rm(join(folder, digest), { force: true });
  return null;
}
