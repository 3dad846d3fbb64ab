/**
 * The recipe: one zod schema for the types, the defaults and the checks that need no file. Unknown keys are refused
 * everywhere. What needs files (shapes, classes, digests) is checked where a run is prepared.
 */
import { z } from 'zod';
import { compressions } from '../compression.js';
import { positiveInt } from '../numbers.js';
import { dataSchema } from './data-schema.js';
import { lossSchema } from './loss-schema.js';
import { ensembleSchema, studentSchema, teacherSchema } from './model-schema.js';
import { optimizerSchema } from './optimizer-schema.js';
import { searchSchema } from './search-schema.js';

const labelsSchema = z
  .object({
    cache: z
      .boolean()
      .default(true)
      .describe('keep soft labels, in memory and on the disk, and read them instead of running the teachers again'),
    wait: z
      .boolean()
      .default(false)
      .describe(
        'training workers hold no teacher and wait for workers with --role label; false: they label for themselves what is not there',
      ),
    precision: z
      .enum(['float32', 'float16', 'top-k'])
      .default('float32')
      .describe('how exactly labels are kept; the decoded ones are used, whether kept or new'),
    keep: z
      .enum(['auto', 'teachers', 'mixture'])
      .default('auto')
      .describe(
        "what is kept: each teacher's logits, which are mixed when they are read, or the ensemble's mixture; auto: the logits, where a row has at most 256 numbers, no teacher labels some samples only but by ensemble.route, and precision is not top-k",
      ),
    from: z
      .string()
      .optional()
      .describe(
        'labels made elsewhere, a row a training sample: .npz or .parquet with logits or probabilities [samples x classes]; no teacher is needed then',
      ),
    k: positiveInt.default(16).describe('top-k: classes that are kept; the others share the remaining mass'),
  })
  .strict()
  .prefault({});

export const recipeSchema = z
  .object({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'letters, digits, ".", "_", "-"; at most 64')
      .optional()
      .describe("default: the file's stem"),
    seed: z.number().int().min(0).max(0xffffffff).default(0),
    student: studentSchema,
    teachers: z.array(teacherSchema).max(64).default([]),
    ensemble: ensembleSchema,
    losses: lossSchema,
    data: dataSchema,
    labels: labelsSchema,
    optimizer: optimizerSchema,
    batch: z
      .object({
        size: positiveInt.describe('samples of a step, whatever the number of workers'),
        micro: positiveInt
          .optional()
          .describe('samples of a micro-batch, at most; size / micro bounds the parallelism; default 32'),
      })
      .strict(),
    epochs: positiveInt.optional(),
    steps: positiveInt.optional(),
    baseline: z
      .boolean()
      .default(false)
      .describe('also train the student without teachers: same seed and steps, on the labelled samples alone'),
    evaluate: z
      .object({
        everyEpochs: positiveInt.default(1),
        earlyStop: z.object({ patience: positiveInt }).strict().optional(),
      })
      .strict()
      .prefault({}),
    snapshots: z
      .object({
        everySteps: positiveInt.default(200),
        everySeconds: positiveInt.default(300),
        keep: positiveInt.default(2),
      })
      .strict()
      .prefault({}),
    log: z
      .object({
        gradients: z
          .boolean()
          .default(true)
          .describe(
            'whether every commit is on the disk before it is released; false, for students whose commits a disk cannot take: a coordinator that is started again goes back to the newest snapshot',
          ),
      })
      .strict()
      .prefault({}),
    numerics: z
      .object({
        backend: z
          .enum(['auto', 'onnx', 'wasm', 'native'])
          .default('auto')
          .describe(
            'what computes the student and the teachers: onnx, compiled graphs in onnxruntime; wasm or native, TensorFlow.js on WebAssembly or on TensorFlow; auto: onnx for all that has such a form, else native where it is installed, else wasm',
          ),
        threads: positiveInt
          .default(1)
          .describe('of each CPU device, for native; a compiled student is computed by one'),
        exact: z.boolean().default(false),
      })
      .strict()
      .prefault({}),
    audit: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe(
        'share of all blocks that two workers compute, and of which nothing is summed before their bits agree; the same of blocks of soft labels; 0, the default, for none',
      ),
    compression: z
      .enum(compressions)
      .default('none')
      .describe('of gradients: float32, bf16, or int8 with a scale for each 128 elements'),
    search: searchSchema.optional(),
  })
  .strict();

/**
 * A checked recipe with every default filled in; paths still as written, relative to the recipe's folder. What a search
 * may do with it is no part of it: a run is the same with that section and without.
 */
export type Recipe = Omit<z.infer<typeof recipeSchema>, 'search'>;
export type OptimizerRecipe = Recipe['optimizer'];
export type SourceRecipe = Recipe['data']['train'];
export type TeacherRecipe = Recipe['teachers'][number];
export type Augment = NonNullable<Recipe['data']['augment']>;
export type Preprocess = NonNullable<Recipe['data']['preprocess']>;
