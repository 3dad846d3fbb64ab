/** The recipe's models: the student, the teachers and how they are combined. Unknown keys are refused everywhere. */
import { z } from 'zod';
import { preprocessSchema } from './data-schema.js';
import { resizeMethods } from '../resize.js';
import { fraction, nonNegative, positiveInt } from '../numbers.js';
import { weightRules } from '../ensemble/weighting.js';

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
/** What an input of a model is given of each sample. */
export const inputSchema = z.union([
  z.string(),
  z.array(z.string()).min(1),
  z.number(),
  z.object({ mask: z.string(), padding: z.number().int().default(0) }).strict(),
]);
export type InputRecipe = z.infer<typeof inputSchema>;

const inputsText =
  'of a model with several: what each is given, by its name: a column or columns of the data, a mask of one (1 where it is not `padding`), or a number; default: the column of its name';

const fileStudent = z
  .object({
    model: z
      .string()
      .describe(
        'tfjs LayersModel (model.json), or ONNX graph (.onnx) as PyTorch exports it, which is trained and written back with the same nodes and names; relative to the recipe',
      ),
    weights: z.string().optional().describe('safetensors file with the initial weights'),
    layout: z.enum(['nhwc', 'nchw']).optional().describe('of an ONNX graph; default: what its input fits, nchw first'),
    inputs: z.record(z.string(), inputSchema).optional().describe(`of an ONNX graph, ${inputsText}`),
  })
  .strict();

export const studentSchema = z.union([builtinStudent, fileStudent]);

const imageSize = z.tuple([positiveInt, positiveInt]);

/** How a teacher's server is asked. */
export const requestSchema = z
  .object({
    deadlineSeconds: z.number().positive().max(300).default(30).describe('of one attempt'),
    retries: z
      .number()
      .int()
      .nonnegative()
      .max(100)
      .default(4)
      .describe('further attempts, after longer and longer pauses'),
    concurrency: positiveInt.max(1024).default(4).describe('requests of one worker at a time'),
    plainHttp: z.boolean().default(false).describe('send samples unencrypted to another machine'),
    datatype: z.string().optional().describe('of its only input, such as FP32; default: what the server says'),
    shape: z
      .array(z.number().int().min(-1))
      .min(2)
      .optional()
      .describe('of its only input, rows first, -1 for any number; default: what the server says'),
  })
  .strict();

export const teacherSchema = z
  .object({
    name: z.string().min(1).max(64),
    model: z
      .string()
      .optional()
      .describe(
        'ONNX file, model.json of a tfjs LayersModel or GraphModel, or folder of a TensorFlow SavedModel (native backend), relative to the recipe',
      ),
    url: z
      .string()
      .max(2048)
      .optional()
      .describe(
        'in place of `model`: a model on a server, https://HOST/v2/models/NAME, or that with /versions/VERSION; http:// on this machine alone',
      ),
    protocol: z.literal('kserve-v2').optional().describe('of `url`: the Open Inference Protocol, version 2'),
    request: requestSchema.optional().describe('how the server of `url` is asked'),
    weight: nonNegative.default(1).describe('share in the ensemble; shares are normalised once'),
    temperature: z.number().positive().optional().describe('default: that of the loss that asks'),
    output: z.enum(['logits', 'probabilities']).default('logits'),
    outputName: z.string().optional(),
    input: z.string().optional().describe('the one that gets the sample'),
    inputs: z.record(z.string(), inputSchema).optional().describe(inputsText),
    signature: z.string().optional().describe('SavedModel: default serving_default'),
    trust: z
      .boolean()
      .optional()
      .describe(
        'open a SavedModel whose graph may do more than compute, such as read files; --trust-models is needed besides, on every machine',
      ),
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
    resize: z
      .union([imageSize, z.object({ to: imageSize, method: z.enum(resizeMethods).default('bilinear') }).strict()])
      .optional()
      .describe('[height, width] that its images are brought to, with antialiasing where they shrink'),
    channels: z
      .union([z.literal(1), z.literal(3)])
      .optional()
      .describe('of its images: grey samples become three equal channels, colours become grey; default: what it takes'),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits')
      .optional(),
  })
  .strict();

const teacherNames = z.union([z.string(), z.array(z.string()).min(1)]);

/** Who labels a sample, by a column of the data. */
const routeSchema = z
  .object({
    column: z
      .union([z.string(), z.number().int().nonnegative()])
      .describe(
        'of data.train, data.eval and data.unlabelled, as their labels are named; it is none of the inputs. webdataset: a file of the sample, or json#KEY',
      ),
    teachers: z
      .record(z.string(), teacherNames)
      .optional()
      .describe('by what the column holds, the teachers of such samples; default: it holds the name of a teacher'),
    otherwise: teacherNames
      .optional()
      .describe('the teachers of samples of which it holds nothing, or something else; default: there may be none'),
  })
  .strict();

export const ensembleSchema = z
  .object({
    combine: z
      .enum(['logits', 'probabilities'])
      .default('logits')
      .describe('logits: mean of u/T, then softmax; probabilities: softmax each, then mean'),
    weights: z
      .object({
        by: z
          .enum(weightRules)
          .describe(
            "each teacher's weight times: confidence, its greatest probability of the sample; entropy, one over the perplexity of its answer; label, its probability of the sample's label",
          ),
      })
      .strict()
      .optional()
      .describe('weights for each sample, by what the teachers say of it; default: the same for all'),
    subset: positiveInt
      .optional()
      .describe(
        'teachers that label a sample (each view of it anew), drawn by the seed, weights normalised among them; default: all',
      ),
    route: routeSchema
      .optional()
      .describe(
        'the teachers that label a sample, by a column of the data, weights normalised among them; default: all',
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
  .prefault({});
