/**
 * The recipe: one zod schema for the types, the defaults and the checks that need no file (design: README, "The
 * recipe"). Unknown keys are refused everywhere. What needs files (shapes, classes, digests) is checked in
 * coordinator/prepare.ts.
 */
import { z } from 'zod';
import { compressions } from '../compression.js';
import { lossSchema } from './loss-schema.js';
import { tasks } from '../task.js';

const positiveInt = z.number().int().positive();
const fraction = z.number().min(0).max(1);
const weight = z.number().min(0);

const builtinStudent = z
  .object({
    builtin: z.enum(['mlp', 'cnn-small', 'resnet']),
    hidden: z.array(positiveInt).optional().describe('mlp: units of the hidden layers'),
    filters: positiveInt.optional().describe('cnn-small, resnet: filters of the first stage'),
    depth: positiveInt.optional().describe('resnet: 8, 14, 20, 32, 44, 56, 110 (6n + 2)'),
    dropout: fraction.optional(),
    batchNorm: z.boolean().optional(),
    exits: z.boolean().optional().describe('classifiers before the last one, for exitCrossEntropy and exitResponse'),
    classes: positiveInt.optional(),
  })
  .strict();
const fileStudent = z
  .object({
    model: z.string().describe('tfjs LayersModel (model.json), relative to the recipe'),
    weights: z.string().optional().describe('safetensors file with the initial weights'),
  })
  .strict();

/** What every source may say about its samples. */
const choice = {
  limit: positiveInt.optional().describe('only the first so many samples'),
  labelled: z
    .number()
    .int()
    .nonnegative()
    .optional()
    .describe('only the first so many samples keep their labels; the others take part in the soft-label terms alone'),
  onlyLabelled: z.boolean().optional().describe('only samples with a label, after limit and labelled'),
};
const padding = {
  paddingLabel: z
    .number()
    .int()
    .optional()
    .describe(
      'task sequence: positions with this label do not count (the usual ignore index), in place of a mask or beside it',
    ),
};

/** Of a file with an array: `images` of [height, width] get their one channel, `inputs` are taken as they are. */
const arrays = {
  images: z.string().optional().describe('file of images, channels last; [height, width] gets its one channel'),
  inputs: z.string().optional().describe('file of inputs, taken in the shape that they have'),
  labels: z.string().optional(),
  weights: z
    .string()
    .optional()
    .describe('file of a weight a sample, at least 0: what its share in each loss term is multiplied by'),
  targets: z
    .string()
    .optional()
    .describe(
      'file of a number or a vector a sample, for the tasks regression and multiLabel; a row of NaN means no target',
    ),
  mask: z
    .string()
    .optional()
    .describe(
      'task sequence: file of a number for each position of each sample, 1 where it counts and 0 where it does not',
    ),
  ...padding,
};

const csvColumn = z.union([z.string(), z.number().int().nonnegative()]);

/** Of a file of rows with named columns. */
const columns = {
  inputs: z.string(),
  column: z
    .string()
    .optional()
    .describe('the column whose lists are the samples; default: all but the label, one after the other'),
  labels: z
    .string()
    .optional()
    .describe("the label's column: class numbers, or names of data.classNames; null means no label"),
  weights: z.string().optional().describe("the weight's column"),
  targets: z
    .union([z.string(), z.array(z.string()).min(1)])
    .optional()
    .describe("the target's column, of numbers or lists, or several; null means no target"),
  mask: z
    .string()
    .optional()
    .describe('task sequence: the column of lists with 1 for each position that counts and 0 for others'),
  ...padding,
  shape: z.array(positiveInt).optional().describe("shape of one sample; default: as the first row's lists are"),
};

export const sourceSchema = z.discriminatedUnion('format', [
  z.object({ format: z.literal('idx'), ...arrays, ...choice }).strict(),
  /** `x.npy`, or `set.npz#x` for an array inside an archive. Labels of -1 mean: no label. */
  z.object({ format: z.literal('npy'), ...arrays, ...choice }).strict(),
  z
    .object({
      format: z.literal('csv'),
      inputs: z.string(),
      labels: csvColumn
        .optional()
        .describe("the label's column, by header name or by number from 0; an empty cell means no label"),
      weights: csvColumn.optional().describe("the weight's column, as labels"),
      targets: z
        .union([csvColumn, z.array(csvColumn).min(1)])
        .optional()
        .describe("the target's columns, as labels; empty cells mean no target"),
      shape: z.array(positiveInt).optional().describe('shape of one sample; default: a vector of all other columns'),
      header: z.boolean().default(true),
      delimiter: z.string().length(1).default(','),
      ...choice,
    })
    .strict(),
  z.object({ format: z.literal('jsonl'), ...columns, ...choice }).strict(),
  z.object({ format: z.literal('parquet'), ...columns, ...choice }).strict(),
  z
    .object({
      format: z.literal('folder'),
      images: z.string().describe('folder of PNG and JPEG files'),
      labels: z
        .literal('folders')
        .optional()
        .describe('each subfolder is a class, by name or in the order of data.classNames; default: no labels'),
      size: z
        .tuple([positiveInt, positiveInt])
        .optional()
        .describe('[height, width] that all images are brought to; default: they must be alike'),
      channels: z
        .union([z.literal(1), z.literal(3)])
        .optional()
        .describe("grey or RGB; default: the first image's"),
      ...choice,
    })
    .strict(),
]);

const preprocessSchema = z
  .object({
    scale: z.number().default(1),
    mean: z.array(z.number()).default([0]),
    std: z.array(z.number().positive()).default([1]),
  })
  .strict();

const augmentSchema = z
  .object({
    shift: positiveInt.optional().describe('pixels, at most, along each side of an image'),
    flip: z.boolean().default(false).describe('left to right, half of the time'),
    crop: z
      .number()
      .gt(0)
      .lt(1)
      .optional()
      .describe("least share of an image's sides that is kept; brought back to its size"),
    cutout: positiveInt.optional().describe('side in pixels of a square that is filled'),
    noise: z.number().positive().optional().describe('standard deviation of noise, in units of the raw values'),
    fill: z.number().default(0).describe('raw value of what shift and cutout leave empty'),
    mixup: z
      .number()
      .min(0.05)
      .max(4)
      .optional()
      .describe(
        "alpha of Beta(alpha, alpha), a sample's share in its mixture with another of its micro-batch; labels are live then",
      ),
    views: positiveInt
      .optional()
      .describe(
        'of each sample, taken in turn by epoch, so that labels are kept; default: a new one each epoch, and labels are live',
      ),
  })
  .strict();

export const teacherRecipeSchema = z
  .object({
    name: z.string().min(1).max(64),
    model: z
      .string()
      .describe(
        'ONNX file, model.json of a tfjs LayersModel or GraphModel, or folder of a TensorFlow SavedModel (native backend), relative to the recipe',
      ),
    weight: weight.default(1).describe('share in the ensemble; shares are normalised once'),
    temperature: z.number().positive().optional().describe('default: that of the loss that asks'),
    output: z.enum(['logits', 'probabilities']).default('logits'),
    outputName: z.string().optional(),
    input: z.string().optional(),
    signature: z.string().optional().describe('SavedModel: default serving_default'),
    layout: z.enum(['nhwc', 'nchw']).optional(),
    classes: z
      .union([z.array(z.string()).min(2), z.string()])
      .optional()
      .describe("names of its outputs in their order, or a file with one a line; brought into data.classNames' order"),
    specialist: z
      .array(z.union([z.number().int().nonnegative(), z.string()]))
      .min(1)
      .optional()
      .describe(
        'classes, by number or name of data.classNames, whose samples alone it labels, beside the teachers that are no specialists',
      ),
    preprocess: preprocessSchema.optional().describe('of the raw samples, in place of data.preprocess'),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
  })
  .strict();

const schedule = z.discriminatedUnion('name', [
  z.object({ name: z.literal('constant'), warmupSteps: z.number().int().nonnegative().default(0) }).strict(),
  z
    .object({
      name: z.literal('step'),
      everySteps: positiveInt.optional(),
      milestones: z.array(positiveInt).optional(),
      gamma: z.number().positive().default(0.1),
      warmupSteps: z.number().int().nonnegative().default(0),
    })
    .strict(),
  z
    .object({
      name: z.literal('cosine'),
      finalFraction: fraction.default(0),
      warmupSteps: z.number().int().nonnegative().default(0),
    })
    .strict(),
]);

const beta = z.number().min(0).max(1);
const commonOptimizer = {
  learningRate: z.number().positive(),
  weightDecay: z.number().min(0).default(0),
  decayExclude: z
    .array(z.string())
    .default([])
    .describe('name patterns (* matches any run of characters) of weights that do not decay'),
  clipNorm: z.number().positive().optional().describe('greatest global norm of the gradient'),
  schedule: schedule.optional(),
  ema: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('decay of an exponential moving average of the weights, 0 for none'),
  freeze: z.array(z.string()).default([]).describe('name patterns of weights that stay as they are'),
  groups: z
    .array(
      z
        .object({
          match: z.array(z.string()).min(1),
          learningRateScale: z.number().min(0).default(1),
          weightDecay: z.number().min(0).optional(),
        })
        .strict(),
    )
    .default([]),
};
const optimizer = z.discriminatedUnion('name', [
  z
    .object({
      name: z.literal('sgd'),
      momentum: beta.default(0),
      nesterov: z.boolean().default(false),
      ...commonOptimizer,
    })
    .strict(),
  z
    .object({
      name: z.literal('adam'),
      beta1: beta.default(0.9),
      beta2: beta.default(0.999),
      epsilon: z.number().positive().default(1e-8),
      ...commonOptimizer,
    })
    .strict(),
  z
    .object({
      name: z.literal('adamw'),
      beta1: beta.default(0.9),
      beta2: beta.default(0.999),
      epsilon: z.number().positive().default(1e-8),
      ...commonOptimizer,
    })
    .strict(),
]);

export const recipeSchema = z
  .object({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'letters, digits, ".", "_", "-"; at most 64')
      .optional()
      .describe("default: the file's stem"),
    seed: z.number().int().min(0).max(0xffffffff).default(0),
    student: z.union([builtinStudent, fileStudent]),
    teachers: z.array(teacherRecipeSchema).max(64).default([]),
    ensemble: z
      .object({
        combine: z
          .enum(['logits', 'probabilities'])
          .default('logits')
          .describe('logits: mean of u/T, then softmax; probabilities: softmax each, then mean'),
        subset: positiveInt
          .optional()
          .describe(
            'teachers that label a sample (each view of it anew), drawn by the seed, weights normalised among them; default: all',
          ),
        onFailure: z
          .enum(['stop', 'drop'])
          .default('stop')
          .describe(
            'of a teacher, wherever a micro-batch was tried: the run stops, or goes on without it, the weights of the others normalised',
          ),
        allowChance: z
          .boolean()
          .default(false)
          .describe('go on with a teacher that is no better than chance on the evaluation data'),
      })
      .strict()
      .prefault({}),
    losses: lossSchema,
    data: z
      .object({
        task: z
          .enum(tasks)
          .optional()
          .describe(
            'what samples are to be told: their class (default), numbers (regression), which of several labels they have (multiLabel), or the class at each position (sequence)',
          ),
        train: sourceSchema,
        eval: sourceSchema.optional(),
        unlabelled: sourceSchema
          .optional()
          .describe('further training samples, without labels, evenly mixed with those of train'),
        preprocess: preprocessSchema.optional(),
        augment: augmentSchema
          .optional()
          .describe('of training samples, before preprocessing; student and teachers see the same'),
        shuffle: z.boolean().default(true),
        classNames: z
          .array(z.string())
          .min(2)
          .optional()
          .describe('by label, for teachers that have the classes in another order'),
        classes: positiveInt
          .optional()
          .describe('default: one more than the greatest label, or the numbers of a target'),
        shardSamples: positiveInt
          .default(4096)
          .describe('samples of a shard, at most (fewer where they would make more than 64 MiB)'),
      })
      .strict(),
    labels: z
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
        from: z
          .string()
          .optional()
          .describe(
            'labels made elsewhere, a row a training sample: .npz or .parquet with logits or probabilities [samples x classes]; no teacher is needed then',
          ),
        k: positiveInt.default(16).describe('top-k: classes that are kept; the others share the remaining mass'),
      })
      .strict()
      .prefault({}),
    optimizer,
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
      .object({ gradients: z.literal(true).default(true) })
      .strict()
      .prefault({}),
    numerics: z
      .object({
        backend: z.enum(['auto', 'wasm', 'native']).default('auto'),
        threads: positiveInt.default(1),
        exact: z.boolean().default(false),
      })
      .strict()
      .prefault({}),
    compression: z
      .enum(compressions)
      .default('none')
      .describe('of gradients: float32, bf16, or int8 with a scale for each 128 elements'),
  })
  .strict();

/** A checked recipe with every default filled in; paths still as written, relative to the recipe's folder. */
export type Recipe = z.infer<typeof recipeSchema>;
export type OptimizerRecipe = Recipe['optimizer'];
export type SourceRecipe = z.infer<typeof sourceSchema>;
export type TeacherRecipe = z.infer<typeof teacherRecipeSchema>;
export type Augment = z.infer<typeof augmentSchema>;
export type Preprocess = NonNullable<Recipe['data']['preprocess']>;
