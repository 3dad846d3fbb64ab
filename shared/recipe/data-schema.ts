/** The recipe's data: sources of samples, their preprocessing and augmentation. Unknown keys are refused everywhere. */
import { z } from 'zod';
import { tasks } from '../task.js';
import { positiveInt } from '../numbers.js';

const count = z.number().int().nonnegative();

/** What every source may say about its samples. */
const choice = {
  limit: positiveInt.optional().describe('only the first so many samples'),
  labelled: z
    .union([count, z.object({ first: count }).strict()])
    .optional()
    .describe(
      'only so many samples keep their labels, drawn from each class by its share (first: those of the first samples); the others take part in the soft-label terms alone',
    ),
  onlyLabelled: z.boolean().optional().describe('only samples with a label, after limit and labelled'),
};
const layout = {
  layout: z
    .enum(['nhwc', 'nchw'])
    .optional()
    .describe('nchw: samples are images of [channels, height, width], as PyTorch has them; default: channels last'),
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

/** A file with an array: `images` of [height, width] get their one channel, `inputs` are taken as they are. */
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
  ...layout,
  ...padding,
};

const files = z
  .union([z.string(), z.array(z.string()).min(1)])
  .describe('a file, a folder of them, a pattern such as parts/*.csv or set-{0000..0146}.tar, or a list of those');

const csvColumn = z.union([z.string(), z.number().int().nonnegative()]);

/** Images that are decoded. */
const images = {
  size: z
    .tuple([positiveInt, positiveInt])
    .optional()
    .describe('[height, width] that all images are brought to; default: they must be alike'),
  channels: z
    .union([z.literal(1), z.literal(3)])
    .optional()
    .describe("grey or RGB; default: the first image's"),
};

/** A column of bytes that are no encoded images. */
const raw = {
  dtype: z
    .enum(['uint8', 'int32', 'float32'])
    .optional()
    .describe(
      'of a column of bytes with a shape: what its numbers are, the byte of least weight first; default: uint8',
    ),
};

const archives = {
  inputs: files,
  member: z
    .string()
    .optional()
    .describe(
      "what the names of the inputs' files end in behind the base name's dot: jpg, or npy for arrays; default: images, else arrays",
    ),
  labels: z
    .string()
    .optional()
    .describe("what the names of the labels' files end in: cls, or json#KEY for a key of a JSON object"),
  ...layout,
};

const pads = z.record(z.string(), z.object({ length: positiveInt, value: z.number().default(0) }).strict());

/** A file of rows with named columns. */
const columns = {
  inputs: files,
  column: z
    .union([z.string(), z.array(z.string()).min(1)])
    .optional()
    .describe('the column whose lists are the samples, or several, one after the other; default: all but the label'),
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
  ...layout,
  ...padding,
  pad: pads
    .optional()
    .describe(
      'of lists of different lengths, by column: { length: N, value: X } makes all as long as the longest may be, with X (default 0) behind their end; task sequence: positions there do not count',
    ),
  shape: z.array(positiveInt).optional().describe("shape of one sample; default: as the first row's lists are"),
};

export const sourceSchema = z.discriminatedUnion('format', [
  z.object({ format: z.literal('idx'), ...arrays, ...choice }).strict(),
  // `x.npy`, or `set.npz#x` for an array inside an archive. A label of -1 means that there is none.
  z.object({ format: z.literal('npy'), ...arrays, ...choice }).strict(),
  z
    .object({
      format: z.literal('csv'),
      inputs: files,
      labels: csvColumn
        .optional()
        .describe("the label's column, by header name or by number from 0; an empty cell means no label"),
      weights: csvColumn.optional().describe("the weight's column, as labels"),
      targets: z
        .union([csvColumn, z.array(csvColumn).min(1)])
        .optional()
        .describe("the target's columns, as labels; empty cells mean no target"),
      shape: z.array(positiveInt).optional().describe('shape of one sample; default: a vector of all other columns'),
      ...layout,
      header: z.boolean().default(true),
      delimiter: z.string().length(1).default(','),
      ...choice,
    })
    .strict(),
  z.object({ format: z.literal('jsonl'), ...columns, ...choice }).strict(),
  z.object({ format: z.literal('parquet'), ...columns, ...raw, ...images, ...choice }).strict(),
  z
    .object({
      format: z.literal('folder'),
      images: z.string().describe('folder of PNG, JPEG, WebP, GIF, TIFF, BMP and AVIF files'),
      labels: z
        .literal('folders')
        .optional()
        .describe('each subfolder is a class, by name or in the order of data.classNames; default: no labels'),
      ...images,
      ...choice,
    })
    .strict(),
  z.object({ format: z.literal('tfrecord'), ...columns, ...raw, ...images, ...choice }).strict(),
  z.object({ format: z.literal('arrow'), ...columns, ...raw, ...images, ...choice }).strict(),
  z.object({ format: z.literal('webdataset'), ...archives, ...images, ...choice }).strict(),
]);

export const preprocessSchema = z
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

export const dataSchema = z
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
    sha256: z
      .record(z.string(), z.string().regex(/^[0-9a-f]{64}$/, { error: '64 hex digits wanted' }))
      .optional()
      .describe(
        'of remote files, by their names in this recipe: the SHA-256 of what must come (of a folder or pattern that of its list, which the run tells)',
      ),
    classNames: z
      .array(z.string())
      .min(2)
      .optional()
      .describe('by label, for teachers that have the classes in another order'),
    classes: positiveInt.optional().describe('default: one more than the greatest label, or the numbers of a target'),
    shardSamples: positiveInt
      .default(4096)
      .describe('samples of a shard, at most (fewer where they would make more than 64 MiB)'),
  })
  .strict();
