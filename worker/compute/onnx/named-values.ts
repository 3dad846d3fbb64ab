/**
 * Names for inner values of an ONNX graph, kept in the model's file: a model that was turned into ONNX is asked for its
 * values by the names that it had before. Pure.
 */
import { z } from 'zod';
import { readOnnxMetadata } from './facts.js';

const valueSchema = z.object({
  name: z.string(),
  /** The value in the graph; an input, or what a node makes. */
  value: z.string(),
  /** Axis i of what the name stands for is axis perm[i] of the value; absent: they are in the same order. */
  perm: z.array(z.number().int().nonnegative()).exactOptional(),
});
const valuesSchema = z.array(valueSchema);

/** A value by the name that users know. */
export type NamedValue = z.infer<typeof valueSchema>;

const key = 'stillhouse.values';

/** The entry of a file's metadata that has the names, from the input to the output. */
export function namedValuesMetadata(values: readonly NamedValue[]): Readonly<Record<string, string>> {
  return { [key]: JSON.stringify(values) };
}

/** Null for a file that has no such names. @throws RangeError when the bytes are no protobuf message */
export function readNamedValues(model: Uint8Array): readonly NamedValue[] | null {
  const text = readOnnxMetadata(model)[key];
  return text === undefined ? null : valuesSchema.parse(JSON.parse(text));
}
