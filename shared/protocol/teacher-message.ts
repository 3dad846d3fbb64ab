/** A teacher as the run's coordinator describes it to whoever computes its labels. */
import { z } from 'zod';
import { fedInputSchema } from '../models/fed-input.js';
import { namesOwnFile } from '../models/file-names.js';
import { resizeMethods } from '../resize.js';
import { count, name, sha256 } from './fields.js';

const modelFile = z
  .object({ name: name.refine(namesOwnFile, 'a file of the model alone'), sha256, bytes: count })
  .strict();
const resizeSchema = z.object({ to: z.tuple([count, count]), method: z.enum(resizeMethods) }).strict();
export const teacherSchema = z
  .object({
    name,
    /** Name of the format of its model, which the worker knows, or refuses the run. */
    format: z.string().min(1).max(64),
    weight: z.number(),
    /** Its own, kept whatever a loss asks for; null: the loss's. */
    temperature: z.number().nullable(),
    /** `independent`: probabilities of labels that do not exclude each other. */
    output: z.enum(['logits', 'probabilities', 'independent']),
    outputName: name.optional(),
    input: name.optional(),
    /** The recipe trusts its model; a worker opens what may do more than compute only if its owner does, too. */
    trust: z.literal(true).optional(),
    /** The signature of a SavedModel that is run. */
    signature: name.optional(),
    layout: z.enum(['nhwc', 'nchw']),
    classes: count,
    /** It gives one number of each sample, which is that of the second of two classes. */
    isBinary: z.literal(true).optional(),
    /** Positions of a sequence, at each of which it gives its classes. */
    positions: count.optional(),
    /** Where the model's classes are others: how many it has, and which of them each class of the data is. */
    classMap: z
      .object({ outputs: count, order: z.array(count).max(65536) })
      .strict()
      .optional(),
    /** Own preprocessing, per channel, of samples that are preprocessed for the student. */
    rescale: z
      .object({
        factor: z.array(z.number()).max(65536),
        offset: z.array(z.number()).max(65536),
        /** The teacher has no preprocessing: it wants the raw samples. */
        isRaw: z.literal(true).optional(),
      })
      .strict()
      .optional(),
    /** The channels of its images, where samples have others. */
    channels: z.union([z.literal(1), z.literal(3)]).optional(),
    /** Its images' size, where samples have another. */
    resize: resizeSchema.optional(),
    /** What each of its inputs is given of a sample; absent: the whole sample is what its only input is given. */
    inputs: z.array(fedInputSchema).min(1).max(4096).optional(),
    /** Classes whose samples alone it labels. */
    specialist: z.array(count).max(65536).optional(),
    /** Where its model is served, and how patiently it is asked; absent: its files are the model. */
    served: z
      .object({
        url: z.string().min(1).max(2048),
        deadlineSeconds: z.number().positive().max(86_400),
        retries: count.max(100),
        concurrency: z.number().int().positive().max(1024),
        plainHttp: z.literal(true).optional(),
      })
      .strict()
      .optional(),
    parameters: count,
    /** What the model gave for its canary sample where the run was prepared. */
    canary: z.array(z.number()).max(65536).optional(),
    files: z.array(modelFile).min(1).max(256),
  })
  .strict();
