/**
 * What a teacher's model is to be given of the data's samples, from what the recipe says and from what the model takes:
 * the whole sample as its only input, at its resolution and with its channels; or parts of it by the names of its inputs
 * (model-inputs.ts). What the recipe does not say and is done all the same is told in a line. Pure.
 */
import { UserError } from '../../shared/errors.js';
import type { Preprocess, TeacherRecipe } from '../../shared/recipe/schema.js';
import { imageShape, TeacherFeed, type FeedForm } from '../../worker/compute/teachers/feed.js';
import { feedShape, type Layout } from '../../worker/compute/teachers/formats/layout.js';
import type { ModelInput } from '../../worker/compute/teachers/formats/teacher.js';
import { rescaleOf, type ChannelCounts } from '../../worker/compute/teachers/preprocess.js';
import type { Expected } from './expected.js';
import { inputText, planInputs } from './model-inputs.js';

export interface PlannedFeed {
  /** As the teacher's description has it. */
  readonly form: FeedForm;
  readonly feed: TeacherFeed;
  /** Lines for the user about what the recipe does not say. */
  readonly remarks: readonly string[];
}

/** What a teacher's model is, and what its recipe says of it. */
interface Model {
  readonly recipe: TeacherRecipe;
  readonly inputs: readonly ModelInput[];
  readonly expected: Expected;
  /** The likelier first. */
  readonly layouts: readonly Layout[];
}

/**
 * @param inputs all of the model's, at least one
 * @param layouts of the model's format, the likelier first
 * @throws UserError 2 where the model does not take what the recipe and the data have for it
 */
export function planFeed(
  recipe: TeacherRecipe,
  inputs: readonly ModelInput[],
  expected: Expected,
  layouts: readonly Layout[],
): PlannedFeed {
  const model = { recipe, inputs, expected, layouts: recipe.layout === undefined ? layouts : [recipe.layout] };
  const [only] = inputs;
  const isWhole = inputs.length === 1 && recipe.inputs === undefined;
  if (only === undefined) throw new Error(`teacher ${recipe.name}: a model without inputs`);
  if (isWhole && recipe.input !== undefined && recipe.input !== only.name)
    throw new UserError(
      `teacher ${recipe.name}: input "${recipe.input}": the model has no such name; it has "${only.name}"`,
    );
  return isWhole ? planImage(model, only) : planParts(model);
}

function planParts({ recipe, inputs, expected, layouts }: Model): PlannedFeed {
  for (const key of ['resize', 'channels'] as const)
    if (recipe[key] !== undefined)
      throw new UserError(
        `teacher ${recipe.name}: ${key}: given for a model that is fed by its inputs' names; a model with the sample as its only input wanted`,
      );
  const owner = {
    title: `teacher ${recipe.name}`,
    key: 'teachers[].inputs',
    said: recipe.inputs ?? {},
    whole: recipe.input,
    hasRaw: expected.preprocess === null || recipe.preprocess !== undefined,
  } as const;
  const { fed, remarks } = planInputs(owner, inputs, expected);
  const count = expected.inputShape.at(-1) ?? 1;
  const own = ownPreprocess(recipe, expected, { samples: count, model: count });
  for (const layout of layouts) {
    const form: FeedForm = { layout, ...own, inputs: fed };
    const feed = TeacherFeed.of(form, expected.inputShape, inputs);
    if (feed !== null) return { form, feed, remarks };
  }
  const at = inputs.findIndex(({ shape }, i) =>
    layouts.every((layout) => feedShape(shape, fed[i]?.shape ?? [], layout) === null),
  );
  const [odd, given] = [inputs[Math.max(0, at)], fed[Math.max(0, at)]];
  throw new UserError(
    `teacher ${recipe.name}: its input ${odd === undefined ? '' : inputText(odd)} is fed samples of [${given?.shape.join(', ')}]; columns of its shape wanted (teachers[].inputs)`,
  );
}

/** How images might be brought to what the model takes, by the recipe's words. */
type Wishes = Pick<FeedForm, 'channels' | 'resize'>;

function planImage(model: Model, input: ModelInput): PlannedFeed {
  const { recipe, expected } = model;
  const said = saidOf(recipe, expected.inputShape);
  const found = fitting(model, said);
  if (found !== null) return { ...found, remarks: [] };
  const isGrey = expected.inputShape.length === 3 && expected.inputShape.at(-1) === 1;
  const coloured = isGrey && recipe.channels === undefined ? fitting(model, { ...said, channels: 3 }) : null;
  if (coloured !== null)
    return {
      ...coloured,
      remarks: [
        `teacher ${recipe.name}: its images have 3 channels and the samples 1: it is given grey as three equal channels (channels: 3 says so)`,
      ],
    };
  throw new UserError(`teacher ${recipe.name}: ${misfit(model, input, said)}`);
}

/** What the recipe says of its images, as far as it changes the samples. @throws UserError 2 for samples that are none */
function saidOf({ name, resize, channels }: TeacherRecipe, sample: readonly number[]): Wishes {
  const own = sample.at(-1) ?? 1;
  for (const [key, value] of Object.entries({ resize, channels }))
    if (value !== undefined && sample.length !== 3)
      throw new UserError(
        `teacher ${name}: ${key}: given for samples of [${sample.join(', ')}]; images [height, width, channels] wanted (images in place of inputs gives arrays of [height, width] their one)`,
      );
  if (channels !== undefined && own !== channels && own !== 1 && own !== 3)
    throw new UserError(`teacher ${name}: channels: ${channels} given for samples of ${own}; grey or RGB wanted`);
  const full = resize === undefined || !Array.isArray(resize) ? resize : { to: resize, method: 'bilinear' as const };
  const isSame = full?.to[0] === sample[0] && full?.to[1] === sample[1];
  return {
    ...(full === undefined || isSame ? {} : { resize: full }),
    ...(channels === undefined || channels === own ? {} : { channels }),
  };
}

function fitting({ recipe, inputs, expected, layouts }: Model, wishes: Wishes): Omit<PlannedFeed, 'remarks'> | null {
  const { inputShape } = expected;
  const samples = inputShape.at(-1) ?? 1;
  for (const layout of layouts) {
    if (TeacherFeed.of({ layout, ...wishes }, inputShape, inputs) === null) continue;
    const own = ownPreprocess(recipe, expected, { samples, model: wishes.channels ?? samples });
    const form: FeedForm = { layout, ...own, ...wishes };
    const feed = TeacherFeed.of(form, inputShape, inputs);
    if (feed !== null) return { form, feed };
  }
  return null;
}

/** How the data's samples become what the teacher was trained on, where it has a preprocessing of its own. */
function ownPreprocess(
  { name, preprocess }: TeacherRecipe,
  { preprocess: student }: Expected,
  counts: ChannelCounts,
): Pick<FeedForm, 'rescale'> {
  if (preprocess !== undefined) return { rescale: rescaleOf(name, preprocess, student, counts) };
  if (counts.model < counts.samples && student !== null && !isAlike(student))
    throw new UserError(
      `teacher ${name}: channels: ${counts.model} given for samples whose channels data.preprocess treats differently; a preprocess of its own wanted`,
    );
  return {};
}

function isAlike({ mean, std }: Preprocess): boolean {
  return new Set(mean).size === 1 && new Set(std).size === 1;
}

/** What does not fit, and what would make it. */
function misfit({ recipe, inputs, expected, layouts }: Model, input: ModelInput, said: Wishes): string {
  const { inputShape } = expected;
  const shape = imageShape(said, inputShape);
  const samples =
    shape === inputShape
      ? `the data's samples are [${inputShape.join(', ')}]`
      : `its images would be [${shape.join(', ')}]`;
  const takes = input.shape.map((dim) => dim ?? 'any').join(', ');
  const given = recipe.layout === undefined ? '' : ` with layout ${recipe.layout}`;
  const wishes = wishesFor({ recipe, inputs, expected, layouts }, input, said);
  return `its input shape is [${takes}]; ${samples}${given}${wishes === null ? '' : `; ${wishes}`}`;
}

/** Keys of the recipe by which the model would take the samples; null for none. */
function wishesFor(model: Model, input: ModelInput, said: Wishes): string | null {
  const { inputs, expected, layouts } = model;
  const { inputShape } = expected;
  const every: readonly Layout[] = ['nchw', 'nhwc'];
  const known = [...layouts, ...every.filter((one) => !layouts.includes(one))];
  const tries = [
    ...known.map((layout) => ({ layout, wishes: said })),
    ...known.map((layout) => ({ layout, wishes: { ...said, ...bringing(input, inputShape, layout) } })),
  ];
  const found = tries.find(({ layout, wishes }) => TeacherFeed.of({ layout, ...wishes }, inputShape, inputs) !== null);
  if (found === undefined) return null;
  const { layout, wishes } = found;
  const texts = [
    ...(wishes.resize === undefined || wishes.resize === said.resize
      ? []
      : [`resize: [${wishes.resize.to.join(', ')}]`]),
    ...(wishes.channels === undefined || wishes.channels === said.channels ? [] : [`channels: ${wishes.channels}`]),
    ...(layouts.includes(layout) ? [] : [`layout: ${layout}`]),
  ];
  return `${texts.join(' and ')} wanted${wishes === said ? ', which fits' : ''}`;
}

/** The size and the channels that the model insists on, where samples have others. */
function bringing({ shape }: ModelInput, sample: readonly number[], layout: Layout): Wishes {
  if (shape.length !== 3 || sample.length !== 3) return {};
  const [height, width, channels] = layout === 'nchw' ? [shape[1], shape[2], shape[0]] : shape;
  const to: [number, number] = [height ?? sample[0] ?? 1, width ?? sample[1] ?? 1];
  const isOther = to[0] !== sample[0] || to[1] !== sample[1];
  const canChange = (channels === 1 || channels === 3) && channels !== sample[2];
  return {
    ...(isOther ? { resize: { to, method: 'bilinear' as const } } : {}),
    ...(canChange ? { channels } : {}),
  };
}
