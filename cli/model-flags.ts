/** The flags that say how a model is to be taken which no recipe names. */
import { resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { UserError } from '../shared/errors.js';
import type { ModelFields } from './evaluate/asked-model.js';

/** As commander makes them. */
export interface ModelFlags {
  readonly output?: 'logits' | 'probabilities';
  readonly outputName?: string;
  readonly input?: string;
  readonly inputs?: string;
  readonly layout?: 'nhwc' | 'nchw';
  readonly classes?: string;
  readonly signature?: string;
  readonly preprocess?: string;
  readonly resize?: string;
  readonly channels?: '1' | '3';
}

/** What is said in YAML, with the keys of a recipe's teacher, and what a message wants of it. */
const wanted = {
  preprocess: '{ scale: NUMBER, mean: [NUMBERS], std: [NUMBERS] }',
  resize: '[HEIGHT, WIDTH] or { to: [HEIGHT, WIDTH], method: bilinear|nearest|area|bicubic }',
  inputs: '{ INPUT: COLUMN, INPUT: [COLUMNS], INPUT: { mask: COLUMN, padding: NUMBER }, INPUT: NUMBER }',
} as const;

/**
 * Reads the flags that are given.
 * @throws UserError 2 for a value that the recipe's key of the same name would not take
 */
export async function modelFields(flags: ModelFlags): Promise<ModelFields> {
  const { output, outputName, input, layout, classes, signature, channels } = flags;
  const { preprocess, resize, inputs } = flags;
  return {
    ...(output === undefined ? {} : { output }),
    ...(outputName === undefined ? {} : { outputName }),
    ...(input === undefined ? {} : { input }),
    ...(layout === undefined ? {} : { layout }),
    ...(classes === undefined ? {} : { classes: resolve(classes) }),
    ...(signature === undefined ? {} : { signature }),
    ...(channels === undefined ? {} : { channels: channels === '1' ? 1 : 3 }),
    ...(preprocess === undefined ? {} : { preprocess: await valueOf('preprocess', preprocess) }),
    ...(resize === undefined ? {} : { resize: await valueOf('resize', resize) }),
    ...(inputs === undefined ? {} : { inputs: await valueOf('inputs', inputs) }),
  };
}

async function valueOf<K extends keyof typeof wanted>(key: K, text: string): Promise<ModelFields[K]> {
  const { teacherSchema } = await import('../shared/recipe/model-schema.js');
  const document = parseDocument(text);
  const found = teacherSchema.shape[key].safeParse(document.errors.length > 0 ? null : document.toJS());
  if (found.success && found.data !== undefined) return found.data as ModelFields[K];
  throw new UserError(`--${key} ${text}: "${wanted[key]}" was wanted`);
}
