/**
 * What both sides know of the student: its topology as data, and its weights in a fixed order (the topology's).
 * The artifact that workers download is this object as JSON; initial weights travel as a snapshot.
 */
import { z } from 'zod';

export const weightSpecSchema = z
  .object({
    /** `layer/kernel`, `layer/bias`, `layer/gamma`, ... without tfjs's per-process suffixes. */
    name: z.string(),
    layer: z.string(),
    shape: z.array(z.number().int().nonnegative()),
    /** `trained`: has a gradient and optimizer state. `frozen`: constant. `mean`/`variance`: batch norm's moving values. */
    kind: z.enum(['trained', 'frozen', 'mean', 'variance']),
    /** Batch norm's momentum, for kind mean and variance. */
    momentum: z.number().optional(),
    /** Maps a tap for a loss: trained with the student, and no part of it. */
    adapter: z.literal(true).optional(),
  })
  .strict();

export const studentSpecSchema = z
  .object({
    /** tfjs LayersModel `modelTopology`. */
    topology: z.record(z.string(), z.unknown()),
    weights: z.array(weightSpecSchema),
    /** Shape of one sample, channels last. */
    inputShape: z.array(z.number().int().positive()),
    /** Whether the input is integer tokens (an embedding comes first). */
    classes: z.number().int().positive(),
  })
  .strict();

export type WeightSpec = z.infer<typeof weightSpecSchema>;
export type StudentSpec = z.infer<typeof studentSpecSchema>;

/** The student alone, and its weights among those of a replica. */
export function withoutAdapters(spec: StudentSpec, weights: ReadonlyMap<string, Float32Array>): { spec: StudentSpec; weights: Map<string, Float32Array> } {
  const own = spec.weights.filter(({ adapter }) => adapter !== true);
  const names = new Set(own.map(({ name }) => name));
  return { spec: { ...spec, weights: own }, weights: new Map([...weights].filter(([name]) => names.has(name))) };
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}
