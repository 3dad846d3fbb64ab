/** Where a layer of Keras 3 is applied: `{ args, kwargs }` with tensors inside, by what layer they come from. Pure. */
import { z } from 'zod';
import { jsonSchema } from './topology.js';

const tensorSchema = z.object({
  class_name: z.literal('__keras_tensor__'),
  config: z.object({
    shape: z.array(z.number().nullable()).optional(),
    keras_history: z.tuple([z.string(), z.number(), z.number()]),
  }),
});

/** The value of a layer: its name, which of its places, which of the values there. */
export interface KerasTensor {
  readonly layer: string;
  readonly node: number;
  readonly place: number;
  /** The batch's size first; null where sizes are not told. */
  readonly shape: readonly (number | null)[] | null;
}

/** One place where a layer is applied. */
export interface KerasNode {
  /** Tensors and numbers, in order. */
  readonly operands: readonly (KerasTensor | number)[];
  /** Whether it is given a mask. */
  readonly isMasked: boolean;
  /** Keys of arguments that hold tensors. */
  readonly named: readonly string[];
  /** Arguments that are no tensors, numbers or flags: texts and objects. */
  readonly others: readonly unknown[];
}

const nodeSchema = z.object({ args: z.array(z.unknown()), kwargs: jsonSchema.default({}) });

/** The places of a layer; null where they are not of this form. */
export function nodesOf(nodes: unknown): KerasNode[] | null {
  const parsed = z.array(nodeSchema).safeParse(nodes ?? []);
  if (!parsed.success) return null;
  return parsed.data.map(({ args, kwargs }) => ({
    operands: args.flatMap(operandsIn),
    isMasked: operandsIn(kwargs.mask).length > 0,
    // Masks are made again by tfjs, from the layers that make them.
    named: Object.entries(kwargs)
      .filter(([key, value]) => key !== 'mask' && operandsIn(value).some((one) => typeof one === 'object'))
      .map(([key]) => key),
    others: args.filter((arg) => typeof arg === 'string'),
  }));
}

function operandsIn(value: unknown): (KerasTensor | number)[] {
  if (typeof value === 'number') return [value];
  if (Array.isArray(value)) return value.flatMap(operandsIn);
  const tensor = tensorSchema.safeParse(value);
  if (!tensor.success) return [];
  const {
    shape,
    keras_history: [layer, node, place],
  } = tensor.data.config;
  return [{ layer, node, place, shape: shape ?? null }];
}

const tripleSchema = z.tuple([z.string(), z.number(), z.number()]);
type Triple = z.infer<typeof tripleSchema>;

/** The values that a model takes or gives: one, a list, or an object by names. */
export function triplesOf(places: unknown): Triple[] {
  const one = tripleSchema.safeParse(places);
  if (one.success) return [one.data];
  if (Array.isArray(places)) return places.flatMap(triplesOf);
  return typeof places === 'object' && places !== null ? Object.values(places).flatMap(triplesOf) : [];
}
