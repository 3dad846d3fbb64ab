/** The models that keras3.py wrote, and what Keras computes with them. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';

const numbers = z.array(z.number());
const topology = z.record(z.string(), z.unknown());
const schema = z.object({
  models: z.record(
    z.string(),
    z.object({
      shape: numbers,
      inputs: numbers,
      outputs: z.array(numbers),
      files: z.record(z.string(), z.record(z.string(), z.string())),
    }),
  ),
  refused: z.record(z.string(), topology),
});

const file = join(dirname(fileURLToPath(import.meta.url)), 'data', 'keras3.json.gz');

/** `models` by name, and the topologies of those that tfjs cannot compute. */
export const keras3 = schema.parse(JSON.parse(gunzipSync(readFileSync(file)).toString()));

/** A converted model and Keras' outputs, [rows x classes] for each output. */
export interface Keras3Case {
  readonly name: string;
  /** `h5` or `keras`: what the converter read. */
  readonly form: string;
  readonly shape: readonly number[];
  readonly inputs: readonly number[];
  readonly outputs: readonly (readonly number[])[];
  /** Writes the model's files into the folder. @returns their names, model.json first */
  readonly write: (folder: string) => string[];
}

/** Every model in both forms. */
export const keras3Cases: readonly Keras3Case[] = Object.entries(keras3.models).flatMap(
  ([name, { files, ...values }]) =>
    Object.entries(files).map(([form, contents]) => ({
      name,
      form,
      ...values,
      write: (folder) => {
        mkdirSync(folder, { recursive: true });
        for (const [path, content] of Object.entries(contents))
          writeFileSync(join(folder, path), Buffer.from(content, 'base64'));
        return Object.keys(contents).sort((a, b) => Number(b === 'model.json') - Number(a === 'model.json'));
      },
    })),
);
