/**
 * What both sides know of the student: its topology as data, and its weights in a fixed order (the topology's).
 * The artifact that workers download is this object as JSON; initial weights travel as a snapshot.
 */
import { z } from 'zod';
import { inputSchema } from '../recipe/model-schema.js';
import { lastOutputAlone } from './exits.js';
import { fedInputSchema } from './fed-input.js';

export const weightSpecSchema = z
  .object({
    /** `layer/kernel`, `layer/bias`, `layer/gamma`, ... without tfjs's per-process suffixes. */
    name: z.string(),
    layer: z.string(),
    shape: z.array(z.number().int().nonnegative()),
    /**
     * `trained`: has a gradient and optimizer state. `frozen`: constant. `mean`/`variance`: batch norm's moving values.
     */
    kind: z.enum(['trained', 'frozen', 'mean', 'variance']),
    /** Batch norm's momentum, for kind mean and variance. */
    momentum: z.number().optional(),
    /** Maps a tap for a loss: trained with the student, and no part of it. */
    adapter: z.literal(true).optional(),
    /** Marks a layer of an earlier exit alone: trained with the student, and no part of its answer. */
    exit: z.literal(true).optional(),
  })
  .strict();

const common = {
  weights: z.array(weightSpecSchema),
  /** Shape of one sample, channels last. */
  inputShape: z.array(z.number().int().positive()),
  classes: z.number().int().positive(),
  /** What computes it: absent: TensorFlow.js, operation by operation; `onnx`: compiled graphs. */
  engine: z.literal('onnx').optional(),
  /** Positions of a sequence, at each of which it gives its classes; absent: it gives them once. */
  positions: z.number().int().positive().optional(),
  /** Names of the outputs before the last one, which is the student's answer; absent where it has one alone. */
  exits: z.array(z.string()).optional(),
};

const layersSpecSchema = z
  .object({
    /** tfjs LayersModel `modelTopology`. */
    topology: z.record(z.string(), z.unknown()),
    ...common,
  })
  .strict();

const elementTypes = [
  'float32',
  'float16',
  'float64',
  'bool',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'uint32',
  'int32',
  'uint64',
  'int64',
] as const;

/** An input of a graph, and what it is given of each sample. */
const graphInputSchema = z
  .object({
    name: z.string(),
    /** The type of its elements, as onnxruntime names it. */
    type: z.enum(elementTypes),
    /** The shape of what it is given of one sample, as the graph takes it. */
    feed: z.array(z.number().int().positive()),
    /** Whether parts of three sizes and more are brought to channels first. */
    isChannelsFirst: z.boolean(),
    /** The part of the sample that it is given; absent: all of it. */
    part: fedInputSchema.optional(),
  })
  .strict();
export type SpecInput = z.infer<typeof graphInputSchema>;

const graphSpecSchema = z
  .object({
    graph: z
      .object({
        /** The ONNX file in base64, without the values of its weights. */
        file: z.string(),
        /** All of its inputs, in its order. */
        inputs: z.array(graphInputSchema).min(1),
        /** What its inputs are given in the words of a recipe, by their names; absent: it has one, for the sample. */
        sources: z.record(z.string(), inputSchema).optional(),
      })
      .strict(),
    ...common,
    engine: z.literal('onnx'),
  })
  .strict();

export const studentSpecSchema = z.union([layersSpecSchema, graphSpecSchema]);

export type WeightSpec = z.infer<typeof weightSpecSchema>;
/** A student of layers. */
export type LayersSpec = z.infer<typeof layersSpecSchema>;
/** A student that is an ONNX graph, its initialisers the weights by their names. */
export type GraphSpec = z.infer<typeof graphSpecSchema>;
export type StudentSpec = LayersSpec | GraphSpec;

export interface SpecAndWeights {
  readonly spec: StudentSpec;
  readonly weights: Map<string, Float32Array>;
}

/** The student with all of its exits, and its weights among those of a replica. */
export function withoutAdapters(spec: StudentSpec, weights: ReadonlyMap<string, Float32Array>): SpecAndWeights {
  return only(spec, weights, ({ adapter }) => adapter !== true);
}

/** The student as it is delivered: without its adapters and without its earlier exits. */
export function studentAlone(spec: StudentSpec, weights: ReadonlyMap<string, Float32Array>): SpecAndWeights {
  // A graph is written back as it came, with all of its outputs.
  if ('graph' in spec) return withoutAdapters(spec, weights);
  const alone = only(spec, weights, isAnswering);
  if (spec.exits === undefined) return alone;
  const { exits: _, ...rest } = spec;
  return { ...alone, spec: { ...rest, weights: alone.spec.weights, topology: lastOutputAlone(spec.topology) } };
}

/** Whether the student's last output depends on it. */
export function isAnswering({ adapter, exit }: WeightSpec): boolean {
  return adapter !== true && exit !== true;
}

function only(
  spec: StudentSpec,
  weights: ReadonlyMap<string, Float32Array>,
  isKept: (weight: WeightSpec) => boolean,
): SpecAndWeights {
  const own = spec.weights.filter(isKept);
  const names = new Set(own.map(({ name }) => name));
  return { spec: { ...spec, weights: own }, weights: new Map([...weights].filter(([name]) => names.has(name))) };
}
