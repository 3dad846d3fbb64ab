/**
 * What whoever runs a student must know of it: what it is fed, and what its outputs mean. It goes with the student in
 * every form, in that form's own place for such things. Pure.
 */
import { counted } from '../counted.js';
import { z } from 'zod';
import { inputSchema, type InputRecipe } from '../recipe/model-schema.js';
import { tasks } from '../task.js';

export const studentFactsSchema = z.object({
  input: z.object({
    /** Shape of one sample, channels last. */
    shape: z.array(z.number()),
    /** The same as an ONNX graph takes it, where that is otherwise: channels first, or as one vector. */
    feed: z.array(z.number()).optional(),
    /** The type of its input's elements; absent: float32. */
    type: z.string().optional(),
    /** All inputs of an ONNX graph that has several, each with what it is given of a sample, in the words of a recipe. */
    inputs: z
      .array(z.object({ name: z.string(), type: z.string(), shape: z.array(z.number()), given: inputSchema }))
      .optional(),
    /** The least and the greatest number of the raw training samples; absent where that was not looked at. */
    range: z.object({ least: z.number(), most: z.number() }).optional(),
    /** What raw samples go through before the student: (x * scale - mean) / std; null for nothing. */
    preprocess: z.object({ scale: z.number(), mean: z.array(z.number()), std: z.array(z.number()) }).nullable(),
  }),
  output: z.object({
    task: z.enum(tasks),
    /** Numbers that it gives of a sample, or of a position of a sequence: logits, or with regression the numbers. */
    classes: z.number(),
    /** By number. */
    classNames: z.array(z.string()).optional(),
  }),
});

export type StudentFacts = z.infer<typeof studentFactsSchema>;

/** The keys under which forms whose metadata are texts have the facts, as JSON. */
const keys = { input: 'stillhouse.input', output: 'stillhouse.output' } as const;

/** The facts as texts by key, for safetensors and ONNX. */
export function factsAsTexts({ input, output }: StudentFacts): Record<string, string> {
  return { [keys.input]: JSON.stringify(input), [keys.output]: JSON.stringify(output) };
}

/** The facts that `factsAsTexts` made; null where they are not among the texts. */
export function factsFromTexts(texts: Readonly<Record<string, string>>): StudentFacts | null {
  const [input, output] = [texts[keys.input], texts[keys.output]];
  if (input === undefined || output === undefined) return null;
  const parsed: unknown = JSON.parse(`{"input":${input},"output":${output}}`);
  const found = studentFactsSchema.safeParse(parsed);
  return found.success ? found.data : null;
}

const preciseText = (values: readonly number[]): string =>
  values.length === 1 ? String(values[0]) : `[${values.join(', ')}]`;

/** Whether a feed is the sample's shape with the channels first. */
export function isChannelsFirst(shape: readonly number[], feed: readonly number[]): boolean {
  return shape.length > 1 && feed.length === shape.length;
}

function givenText(given: InputRecipe): string {
  if (typeof given === 'number') return `${given} everywhere`;
  if (typeof given === 'string') return `the column ${given}`;
  return Array.isArray(given)
    ? `the columns ${given.join(', ')}`
    : `1 where the column ${given.mask} is not ${given.padding}`;
}

/** The facts in words, a line each: what it is fed, and what it gives. */
export function describeFacts({ input, output }: StudentFacts): string[] {
  const { shape, feed, type = 'float32', range, preprocess, inputs } = input;
  const { task, classes, classNames } = output;
  const from = range === undefined ? '' : ` from ${range.least} to ${range.most}`;
  const order = feed === undefined ? 'last' : isChannelsFirst(shape, feed) ? 'first' : 'last, as one vector';
  const form = shape.length > 1 ? `, channels ${order}` : '';
  const fed =
    preprocess === null
      ? 'as they are'
      : `as (x * ${preprocess.scale} - ${preciseText(preprocess.mean)}) / ${preciseText(preprocess.std)}`;
  const gives =
    task === 'regression'
      ? counted(classes, 'number')
      : `logits of ${classes} ${task === 'multiLabel' ? 'labels' : 'classes'}`;
  const whole = `input: ${type} of [batch, ${(feed ?? shape).join(', ')}]${form}; raw samples${from} are fed ${fed}`;
  return [
    ...(inputs?.map(
      (one) => `input ${one.name}: ${one.type} of [batch, ${one.shape.join(', ')}], ${givenText(one.given)}`,
    ) ?? [whole]),
    `output: ${gives}${task === 'sequence' ? ' at each position' : ''}${classNames === undefined ? '' : `: ${classNames.join(', ')}`}`,
  ];
}
