/**
 * An entry of the data index as bytes: the SHA-256 of what follows as 64 digits, the length of a JSON text (u32 LE), the
 * text, and the arrays that it gives the lengths of, one after the other. Pure.
 */
import { z } from 'zod';
import { dataSetSchema } from '../../shared/data/manifest.js';
import { parseJson } from '../../shared/json.js';
import { sha256Of } from '../../shared/sha256.js';
import type { ReadData } from './shards.js';

const count = z.number().int().nonnegative();

const entrySchema = z
  .object({
    files: z.string(),
    file: z.string(),
    dataSet: dataSetSchema,
    classNames: z.array(z.string()).optional(),
    classes: count.optional(),
    parts: z
      .array(z.object({ name: z.string(), shape: z.array(count), padding: z.number().optional() }).strict())
      .optional(),
    notes: z.array(z.object({ text: z.string(), isOdd: z.boolean() }).strict()),
    inputRange: z.object({ least: z.number(), most: z.number() }).strict(),
    labels: count,
    weights: count.optional(),
    targets: z.object({ width: count, values: count }).strict().optional(),
    routes: z.array(z.string()).optional(),
  })
  .strict();

const digestBytes = 64;

/** @param files the digest of the source's files */
export function encodeEntry(data: ReadData, files: string): Buffer[] {
  const { file, dataSet, classNames, classes, parts, inputRange, labels, weights, targets, routes, sourceNotes } = data;
  const text = Buffer.from(
    JSON.stringify({
      files,
      file,
      dataSet,
      classNames,
      classes,
      parts,
      inputRange,
      notes: sourceNotes,
      labels: labels.length,
      weights: weights?.length,
      targets: targets && { width: targets.width, values: targets.values.length },
      routes: routes?.values,
    } satisfies Record<keyof z.infer<typeof entrySchema>, unknown>),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  const arrays = [labels, weights, targets?.values, routes?.of].flatMap((array) =>
    array === undefined ? [] : [Buffer.from(array.buffer, array.byteOffset, array.byteLength)],
  );
  const content = [length, text, ...arrays];
  return [Buffer.from(sha256Of(content)), ...content];
}

/** @returns null for bytes that are no whole entry */
export function decodeEntry(bytes: Buffer): { readonly data: ReadData; readonly files: string } | null {
  const content = bytes.subarray(digestBytes);
  if (content.length < 4 || bytes.toString('latin1', 0, digestBytes) !== sha256Of(content)) return null;
  const textEnd = 4 + content.readUInt32LE(0);
  const found = entrySchema.safeParse(parseJson(content.subarray(4, textEnd)));
  if (!found.success) return null;
  const { files, labels, weights, targets, routes, notes, parts, ...rest } = found.data;
  let at = textEnd;
  const next = (length: number): ArrayBuffer => {
    const array = new Uint8Array(4 * length);
    array.set(content.subarray(at, (at += 4 * length)));
    return array.buffer;
  };
  const data: ReadData = {
    ...rest,
    parts: parts?.map(({ padding, ...part }) => (padding === undefined ? part : { ...part, padding })),
    labels: new Int32Array(next(labels)),
    weights: weights === undefined ? undefined : new Float32Array(next(weights)),
    targets: targets && { width: targets.width, values: new Float32Array(next(targets.values)) },
    routes: routes && { values: routes, of: new Int32Array(next(rest.dataSet.samples)) },
    notes,
    sourceNotes: notes,
    isWhole: true,
  };
  return { data, files };
}
