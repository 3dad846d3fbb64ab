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
  readonly layout?: 'nhwc' | 'nchw';
  readonly classes?: string;
  readonly signature?: string;
  readonly preprocess?: string;
}

/**
 * Reads the flags that are given.
 * @throws UserError 2 for a preprocessing that is none
 */
export async function modelFields(flags: ModelFlags): Promise<ModelFields> {
  const { output, outputName, input, layout, classes, signature, preprocess } = flags;
  return {
    ...(output === undefined ? {} : { output }),
    ...(outputName === undefined ? {} : { outputName }),
    ...(input === undefined ? {} : { input }),
    ...(layout === undefined ? {} : { layout }),
    ...(classes === undefined ? {} : { classes: resolve(classes) }),
    ...(signature === undefined ? {} : { signature }),
    ...(preprocess === undefined ? {} : { preprocess: await preprocessOf(preprocess) }),
  };
}

async function preprocessOf(text: string): Promise<ModelFields['preprocess']> {
  const { preprocessSchema } = await import('../shared/recipe/data-schema.js');
  const document = parseDocument(text);
  const found = preprocessSchema.safeParse(document.errors.length > 0 ? null : document.toJS());
  if (found.success) return found.data;
  throw new UserError(`--preprocess ${text}: "{ scale: NUMBER, mean: [NUMBERS], std: [NUMBERS] }" was wanted`);
}
