/**
 * Which parts of a sample the inputs of a model with several are given, teacher or student: what the recipe names, else
 * the column of the input's name, else what an encoder of texts is known to take (a mask of the padding, token types of
 * 0). Pure.
 */
import { UserError } from '../../shared/errors.js';
import type { FedInput } from '../../shared/models/fed-input.js';
import type { InputRecipe } from '../../shared/recipe/model-schema.js';
import { elementsIn } from '../../shared/shape.js';
import { feedShape } from '../../worker/compute/teachers/formats/layout.js';
import type { ModelInput } from '../../worker/compute/teachers/formats/teacher.js';
import type { Expected } from './expected.js';
import type { Part } from './sources/source.js';

export interface PlannedInputs {
  /** One of each input, in their order. */
  readonly fed: FedInput[];
  /** The same in the words of a recipe, by input. */
  readonly sources: ReadonlyMap<string, InputRecipe>;
  /** Lines for the user about what the recipe does not say. */
  readonly remarks: readonly string[];
}

/** Whose inputs they are, and what the recipe says of them. */
export interface InputsOwner {
  /** Who it is in messages: `teacher bert`. */
  readonly title: string;
  /** Where the recipe may say what its inputs are given, for messages. */
  readonly key: 'teachers[].inputs' | 'student.inputs';
  /** By input. */
  readonly said: Readonly<Record<string, InputRecipe>>;
  /** The input that gets the whole sample. */
  readonly whole?: string | undefined;
  /** Whether a mask may be taken of the samples: they are raw, or it has them raw by a preprocessing of its own. */
  readonly hasRaw: boolean;
}

/** A part of a sample, and where it begins. */
interface PlacedPart {
  readonly name: string;
  readonly shape: readonly number[];
  readonly at: number;
  readonly padding?: number | undefined;
}

/** Names that encoders of texts give to what is 1 where a token counts, and to the number of a token's text. */
const maskNames: ReadonlySet<string> = new Set(['attention_mask', 'input_mask']);
const typeNames: ReadonlySet<string> = new Set(['token_type_ids', 'segment_ids', 'input_type_ids']);

/**
 * @param inputs all of the model's
 * @throws UserError 2 for an input that nothing feeds, or a name that neither the model nor the data has
 */
export function planInputs(owner: InputsOwner, inputs: readonly ModelInput[], expected: Expected): PlannedInputs {
  const parts = placed(expected);
  const names = inputs.map(({ name }) => name);
  const said: Record<string, InputRecipe> = { ...owner.said };
  if (owner.whole !== undefined) said[owner.whole] = parts.map(({ name }) => name);
  for (const name of Object.keys(said))
    if (!names.includes(name))
      throw new UserError(
        `${owner.title}: inputs: the model has no input "${name}"; it has ${inputs.map(inputText).join(', ')}`,
      );
  const { taken, remarks } = sourcesOf(said, inputs, { owner, parts });
  if (!owner.hasRaw)
    for (const [name, source] of taken)
      if (typeof source === 'object' && 'mask' in source)
        throw new UserError(
          `${owner.title}: inputs.${name}: a mask of samples that data.preprocess has changed; ${owner.key === 'student.inputs' ? 'no data.preprocess' : 'preprocess: { scale: 1 } of its own'} wanted`,
        );
  const context = { owner, parts };
  const sources = inputs.map((input) => ({ input, source: taken.get(input.name) ?? 0 }));
  const known = sources.map(({ input, source }) =>
    typeof source === 'number' ? null : fedBy(input.name, source, context),
  );
  const fed = sources.map(({ input, source }, i) => known[i] ?? filled(input, Number(source), { known, context }));
  return { fed, sources: taken, remarks };
}

/** An input with its type and shape, as messages name it. */
export function inputText({ name, integerType, shape }: ModelInput): string {
  return `"${name}" (${integerType ?? 'float'} [${shape.map((dim) => dim ?? 'any').join(', ')}])`;
}

/** The parts of a sample by their places; the whole sample where they have no names. */
function placed({ parts, inputShape }: Expected): PlacedPart[] {
  let at = 0;
  return (parts ?? [{ name: 'sample', shape: inputShape }]).map(({ name, shape, padding }: Part) => {
    const part = { name, shape, at, padding };
    at += elementsIn(shape);
    return part;
  });
}

interface Context {
  readonly owner: InputsOwner;
  readonly parts: readonly PlacedPart[];
}

/** What every input is given: as the recipe says, else by its name, else as encoders of texts are. */
function sourcesOf(
  said: Readonly<Record<string, InputRecipe>>,
  inputs: readonly ModelInput[],
  { owner, parts }: Context,
): { taken: ReadonlyMap<string, InputRecipe>; remarks: string[] } {
  const taken = new Map(Object.entries(said));
  for (const { name } of inputs) {
    const part = parts.find((one) => one.name === name) ?? parts.find((one) => plainName(one.name) === plainName(name));
    if (part !== undefined && !taken.has(name)) taken.set(name, part.name);
  }
  const left = inputs.filter(({ name }) => !taken.has(name));
  const others = left.filter(({ name }) => !maskNames.has(name) && !typeNames.has(name));
  const remarks: string[] = [];
  const [first] = others;
  const [only] = parts;
  if (first !== undefined && only !== undefined && others.length === 1 && parts.length === 1 && !isUsed(taken)) {
    taken.set(first.name, only.name);
    remarks.push(`"${first.name}" is given ${only.name}`);
  } else if (first !== undefined) throw unfed(owner, first, parts);
  for (const input of left) {
    const { name } = input;
    if (taken.has(name)) continue;
    const tokens = maskNames.has(name) ? tokensOf(taken, inputs) : null;
    if (tokens === null && maskNames.has(name)) throw unfed(owner, input, parts);
    const padding = parts.find((part) => part.name === tokens)?.padding ?? 0;
    taken.set(name, tokens === null ? 0 : { mask: tokens, padding });
    remarks.push(`"${name}" is given ${tokens === null ? '0' : `1 where ${tokens} is not ${padding}`}`);
  }
  return {
    taken,
    remarks:
      remarks.length === 0 ? [] : [`${owner.title}: its input ${remarks.join(', ')} (${owner.key} says it otherwise)`],
  };
}

function unfed({ title, key }: InputsOwner, input: ModelInput, parts: readonly PlacedPart[]): UserError {
  const names = parts.map(({ name }) => name);
  const shown = names.length > 20 ? [...names.slice(0, 20), `and ${names.length - 20} more`] : names;
  return new UserError(
    `${title}: its input ${inputText(input)} is fed by nothing; ${key}: { ${input.name}: COLUMN } wanted, of the data's ${shown.join(', ')}`,
  );
}

/** Whether some input is given a column. */
function isUsed(taken: ReadonlyMap<string, InputRecipe>): boolean {
  return [...taken.values()].some((source) => typeof source === 'string' || Array.isArray(source));
}

/** Converters write a column's name with `_` in place of what no name may have. */
function plainName(name: string): string {
  return name.replace(/[^A-Za-z0-9]/g, '_').toLowerCase();
}

/** The column that holds the tokens: of the first input that is given one column, and is no mask and no types. */
function tokensOf(taken: ReadonlyMap<string, InputRecipe>, inputs: readonly ModelInput[]): string | null {
  const found = inputs
    .filter(({ name }) => !maskNames.has(name) && !typeNames.has(name))
    .map(({ name }) => taken.get(name))
    .find((source) => typeof source === 'string');
  return found ?? null;
}

function fedBy(name: string, source: Exclude<InputRecipe, number>, { owner, parts }: Context): FedInput {
  const columns = typeof source === 'string' ? [source] : Array.isArray(source) ? source : [source.mask];
  const found = columns.map((column) => {
    const part = parts.find((one) => one.name === column);
    if (part !== undefined) return part;
    throw new UserError(
      `${owner.title}: inputs.${name}: the data has no column "${column}"; one of ${parts.map((one) => one.name).join(', ')} wanted`,
    );
  });
  const [only] = found.length === 1 ? found : [];
  if (typeof source === 'object' && 'mask' in source && only?.padding !== undefined && only.padding !== source.padding)
    throw new UserError(
      `${owner.title}: inputs.${name}: a mask with padding: ${source.padding} of ${only.name}, which the data pads with ${only.padding}; padding: ${only.padding} wanted`,
    );
  const padding = typeof source === 'object' && 'mask' in source ? { padding: source.padding } : {};
  return {
    name,
    shape: [...(only?.shape ?? [found.reduce((sum, { shape }) => sum + elementsIn(shape), 0)])],
    from: { elements: ranges(found), ...padding },
  };
}

/** Neighbours as one range. */
function ranges(parts: readonly PlacedPart[]): [number, number][] {
  const found: [number, number][] = [];
  for (const { at, shape } of parts) {
    const last = found.at(-1);
    if (last !== undefined && last[0] + last[1] === at) last[1] += elementsIn(shape);
    else found.push([at, elementsIn(shape)]);
  }
  return found;
}

/** One number everywhere: in the model's shape, its open sizes those of another input. */
function filled(
  input: ModelInput,
  fill: number,
  { known, context }: { readonly known: readonly (FedInput | null)[]; readonly context: Context },
): FedInput {
  const { name, shape } = input;
  const sizes = shape.every((dim) => dim !== null)
    ? shape.map(Number)
    : known.find((one) => one !== null && feedShape(shape, one.shape, 'nhwc') !== null)?.shape;
  if (sizes === undefined)
    throw new UserError(
      `${context.owner.title}: inputs.${name}: ${fill} given for ${inputText(input)}, whose size no other input tells; a column wanted`,
    );
  return { name, shape: [...sizes], from: { fill } };
}
