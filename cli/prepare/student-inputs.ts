/**
 * What the inputs of a student that is an ONNX file are given of each sample: all of it as the only one, in the layout
 * that it takes, or the columns that the recipe, or the inputs' names, say. Pure.
 */
import { exitCodes, UserError } from '../../shared/errors.js';
import type { SpecInput } from '../../shared/models/student-spec.js';
import { mustAt } from '../../shared/must.js';
import type { InputRecipe } from '../../shared/recipe/model-schema.js';
import type { OnnxModel, OnnxValue } from '../../worker/compute/onnx/graph.js';
import { feedShape, type Layout } from '../../worker/compute/teachers/formats/layout.js';
import type { ModelInput } from '../../worker/compute/teachers/formats/teacher.js';
import type { Expected } from './expected.js';
import { inputText, planInputs } from './model-inputs.js';
import type { FileStudent } from './student-files.js';

export interface StudentInputs {
  readonly inputs: SpecInput[];
  /** In the words of a recipe; absent where the whole sample goes into the only one. */
  readonly sources?: Record<string, InputRecipe>;
  /** Lines for the user about what the recipe does not say. */
  readonly remarks: readonly string[];
}

/**
 * The inputs that are no initialisers, and what each is given of a sample.
 * @throws UserError 2 where data or recipe have nothing for one, 65 where the file has none
 */
export function inputsFor(student: FileStudent, { graph }: OnnxModel, expected: Expected): StudentInputs {
  const constants = new Set(graph.constants.map(({ name }) => name));
  const inputs = graph.inputs.filter(({ name }) => !constants.has(name)).map((input) => readInput(student, input));
  checkWhole(student, inputs, expected);
  const [only, ...others] = inputs;
  if (only === undefined)
    throw new UserError(`student ${student.model}: it has no input; one was wanted`, exitCodes.data);
  if (others.length === 0 && student.inputs === undefined)
    return { inputs: [placed(student, only, { shape: expected.inputShape })], remarks: [] };
  const owner = {
    title: `student ${student.model}`,
    key: 'student.inputs',
    said: student.inputs ?? {},
    hasRaw: expected.preprocess === null,
  } as const;
  const { fed, sources, remarks } = planInputs(owner, inputs, expected);
  return {
    inputs: inputs.map((input, i) => {
      const part = mustAt(fed, i, 'input');
      return { ...placed(student, input, part), part };
    }),
    sources: Object.fromEntries(sources),
    remarks,
  };
}

/** An input as the file has it. */
type OwnInput = ModelInput & Pick<SpecInput, 'type'>;

function readInput({ model }: FileStudent, { name, type, shape = [] }: OnnxValue): OwnInput {
  if (type === undefined)
    throw new UserError(
      `student ${model}: its input ${name} has no type that is known; numbers or booleans were wanted`,
      exitCodes.data,
    );
  return {
    name,
    type,
    shape: shape.slice(1).map((dim) => (typeof dim === 'number' ? dim : null)),
    integerType: type.startsWith('float') ? null : type,
  };
}

/** @throws UserError 2 where whole numbers are wanted, and preprocessing makes others of the samples */
function checkWhole({ model }: FileStudent, inputs: readonly OwnInput[], { preprocess }: Expected): void {
  const whole = inputs.find(({ integerType }) => integerType !== null);
  if (whole !== undefined && preprocess !== null)
    throw new UserError(
      `student ${model}: its input ${inputText(whole)} takes whole numbers, and data.preprocess makes others of the samples; no data.preprocess wanted`,
    );
}

/** An input with the layout in which it takes what it is given. @throws UserError 2 for none */
function placed(
  { model, layout: wanted }: FileStudent,
  { name, type, shape }: OwnInput,
  given: { readonly shape: readonly number[] },
): SpecInput {
  const layouts: readonly Layout[] = wanted === undefined ? ['nchw', 'nhwc'] : [wanted];
  for (const layout of layouts) {
    const feed = feedShape(shape, given.shape, layout);
    if (feed !== null) return { name, type, feed, isChannelsFirst: layout === 'nchw' && given.shape.length > 2 };
  }
  throw new UserError(
    `student ${model}: its input ${name} takes [${shape.map((dim) => dim ?? 'any').join(', ')}]; the data's samples are [${given.shape.join(', ')}]${wanted === undefined ? '' : ` with layout ${wanted}`}`,
  );
}
