/**
 * A data set as workers see it: shards by content hash, shapes, and what is needed to read a sample. The manifest is an
 * artifact (JSON).
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
    /** Positions of a sequence with a label (and a weight, where there are some) at each; absent: a sample has one. */
    positions: count.min(1).optional(),
    /** Where samples have target vectors: the numbers of one, and each number's mean over the samples that have one. */
    targets: z
      .object({ width: count.min(1), means: z.array(z.number()) })
      .strict()
      .optional(),
    /**
     * In order; sample ids count through them. A shard's bytes: inputs (row after row), labels (int32, -1 for none),
     * weights (float32), targets (float32).
     */
    shards: z.array(z.object({ sha256: z.string(), bytes: count, samples: count }).strict()),
  })
  .strict();

/** Labels made elsewhere (shared/labels/cut-file.ts): blocks of float32 rows, in the order of the training set. */
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
    /** Absent: classes. */
    task: z.enum(tasks).optional(),
    /** Numbers that student and teachers give of a sample. */
    classes: count.min(1),
    labels: fileLabelsSchema.optional(),
    preprocess: z
      .object({ scale: z.number(), mean: z.array(z.number()), std: z.array(z.number()) })
      .strict()
      .nullable(),
  })
  .strict();

export type DataSet = z.infer<typeof dataSetSchema>;
export type FileLabelsIndex = z.infer<typeof fileLabelsSchema>;
export type Manifest = z.infer<typeof manifestSchema>;
