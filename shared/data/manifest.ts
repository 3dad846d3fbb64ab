/**
 * The manifest of a run's data, an artifact of JSON: it describes the data sets by their shards, and says what is
 * needed to read a sample from one.
 */
import { z } from 'zod';
import { tasks } from '../task.js';

const count = z.number().int().nonnegative();

export const dataSetSchema = z
  .object({
    samples: count,
    /** Shape of one sample, channels last. */
    shape: z.array(count.min(1)),
    /** Element type of the stored inputs. */
    dtype: z.enum(['uint8', 'float32', 'int32']),
    /** Whether shards hold a weight for each sample. */
    isWeighted: z.boolean().optional(),
    /** Positions of a sequence, each with its own label (and weight); absent: a sample has one label. */
    positions: count.min(1).optional(),
    /** Numbers of a target vector, and each number's mean over the samples that have one; absent: there are none. */
    targets: z
      .object({ width: count.min(1), means: z.array(z.number()) })
      .strict()
      .optional(),
    /**
     * Which teachers label each sample: names of those that do together, and an artifact with the number of its group
     * for each sample, a byte each. Absent: all do.
     */
    routes: z
      .object({ sha256: z.string(), bytes: count, teachers: z.array(z.array(z.string()).min(1)).min(1).max(256) })
      .strict()
      .optional(),
    /**
     * In order; sample ids count through them. A shard holds inputs (row after row), labels (int32, -1 for none), weights
     * (float32) and target vectors (float32), one after the other.
     */
    shards: z.array(z.object({ sha256: z.string(), bytes: count, samples: count }).strict()),
  })
  .strict();

/** Labels made elsewhere (`labels.from`): blocks of float32 rows, in the order of the training set. */
const fileLabelsSchema = z
  .object({
    classes: count.min(1),
    temperature: z.number().nullable(),
    blocks: z.array(z.object({ sha256: z.string(), bytes: count }).strict()),
  })
  .strict();

export const manifestSchema = z
  .object({
    train: dataSetSchema,
    eval: dataSetSchema.nullable(),
    /** Absent: samples have classes. */
    task: z.enum(tasks).optional(),
    /** The numbers that student and teachers give of a sample, or of a position. */
    classes: count.min(1),
    /** Absent: labels are the teachers'. */
    labels: fileLabelsSchema.optional(),
    /** Null: samples are taken raw. */
    preprocess: z
      .object({ scale: z.number(), mean: z.array(z.number()), std: z.array(z.number()) })
      .strict()
      .nullable(),
  })
  .strict();

export type DataSet = z.infer<typeof dataSetSchema>;
export type FileLabelsIndex = z.infer<typeof fileLabelsSchema>;
export type Manifest = z.infer<typeof manifestSchema>;

/** The files that a manifest names: shards of data, who labels which sample, and blocks of labels. */
export function artifactsOf({ train, eval: evaluation, labels }: Manifest): { sha256: string; bytes: number }[] {
  const routes = [train.routes, evaluation?.routes].flatMap((found) => found ?? []);
  return [
    ...train.shards,
    ...(evaluation?.shards ?? []),
    ...(labels?.blocks ?? []),
    ...routes.map(({ sha256, bytes }) => ({ sha256, bytes })),
  ];
}

/** The shards of a manifest's data sets. */
export function shardsOf({ train, eval: evaluation }: Pick<Manifest, 'train' | 'eval'>): DataSet['shards'] {
  return [...train.shards, ...(evaluation?.shards ?? [])];
}
