/**
 * A loss that is not built in: a module of one file, installed on every worker by its owner. It is given copies, and
 * what it gives back is checked before it counts. docs/plugins.md is for those who write one.
 *
 *   on logits   loss({ rows, classes, logits, labels, targets, soft, temperature, options }) -> { values, gradient }
 *   on pairs    loss({ rows, labels, student, teacher, options }) -> { values, gradient }
 */
import { counted } from '../../../shared/counted.js';
import { exitCodes, UserError } from '../../../shared/errors.js';
import type { Activation } from '../../../shared/losses/math/activation.js';
import type { LossValues, OutputInput, PairInput } from '../../../shared/losses/math/inputs.js';
import type { TermAtStep } from '../../../shared/recipe/schedules.js';

/** What a plug-in gives: each row's value, and the gradient of the plain sum of the values. */
export interface PluginResult {
  /** [rows]; without weight and divisor. */
  readonly values: ArrayLike<number>;
  /** Laid out as the logits, or as the student's activation. */
  readonly gradient: ArrayLike<number>;
}

export interface PluginOnLogits {
  readonly rows: number;
  readonly classes: number;
  /** [rows x classes] */
  readonly logits: Float32Array;
  /** [rows]; -1 for a row without a label. */
  readonly labels: Int32Array;
  /** Target vectors of the rows whose label is not -1, [rows x classes]; null where samples have classes. */
  readonly targets: Float32Array | null;
  /**
   * [rows x classes]: log-probabilities of the ensemble at the temperature, or its raw logits; null where it wants
   * neither.
   */
  readonly soft: Float32Array | null;
  readonly temperature: number;
  readonly options: unknown;
}

export interface PluginOnPair {
  readonly rows: number;
  readonly labels: Int32Array;
  readonly student: Activation;
  readonly teacher: Activation;
  readonly options: unknown;
}

export type PluginLoss = (input: PluginOnLogits | PluginOnPair) => unknown;
/** The loaded plug-ins by name. */
export type PluginLosses = ReadonlyMap<string, PluginLoss>;

/** A plug-in of the recipe with its numbers as they are in one step. */
export type PluginAtStep = Extract<TermAtStep, { readonly on: 'plugin' }>;

export interface PluginCall {
  readonly term: PluginAtStep;
  readonly loss: PluginLoss;
  /** [rows] */
  readonly labels: Int32Array;
  /** [rows x classes]; null where samples have classes. */
  readonly targets: Float32Array | null;
}

/**
 * A plug-in's values, and its gradient added, on the student's answer.
 *
 * @param soft_BC what the recipe has the plug-in given of the ensemble, [rows x classes]; null: nothing
 * @throws UserError 65 when the plug-in fails, or gives something else than was wanted
 */
export function pluginOnLogits(
  { logits_BC, classes, scale, gradient_BC }: Pick<OutputInput, 'logits_BC' | 'classes' | 'scale' | 'gradient_BC'>,
  soft_BC: Float32Array | Float64Array | null,
  call: PluginCall,
): LossValues {
  const { labels, term } = call;
  return judged(
    {
      rows: labels.length,
      classes,
      logits: logits_BC.slice(),
      labels: labels.slice(),
      targets: call.targets?.slice() ?? null,
      soft: soft_BC === null ? null : Float32Array.from(soft_BC),
      temperature: term.temperature,
      options: structuredClone(term.recipe.options),
    },
    call,
    { scale, gradient: gradient_BC },
  );
}

/**
 * A plug-in's values, and its gradient added, on one pair of activations.
 *
 * @throws UserError 65 when the plug-in fails, or gives something else than was wanted
 */
export function pluginOnPair({ student, teacher, rows, scale, gradient }: PairInput, call: PluginCall): LossValues {
  const copy = ({ values, shape }: Activation): Activation => ({ values: values.slice(), shape: [...shape] });
  return judged(
    {
      rows,
      labels: call.labels.slice(),
      student: copy(student),
      teacher: copy(teacher),
      options: structuredClone(call.term.recipe.options),
    },
    call,
    { scale, gradient },
  );
}

/** Calls the plug-in and adds its gradient row by row; rows that it does not apply to are left out. */
function judged(
  input: PluginOnLogits | PluginOnPair,
  call: PluginCall,
  { scale, gradient }: { readonly scale: number; readonly gradient: Float64Array },
): LossValues {
  const { rows } = input;
  const given = resultOf(input, call, gradient.length);
  const applies = (row: number): boolean => call.term.over === 'samples' || (call.labels[row] ?? -1) >= 0;
  const size = gradient.length / rows;
  let count = 0;
  const values_B = Float32Array.from({ length: rows }, (_, row) => {
    if (!applies(row)) return 0;
    count++;
    let isFinite = true;
    for (let at = row * size; at < (row + 1) * size; at++) {
      const slope = given.gradient[at] ?? NaN;
      isFinite &&= Number.isFinite(slope);
      gradient[at] = (gradient[at] ?? 0) + scale * slope;
    }
    // A bad slope shows in the term's own sum, by which it is refused and named.
    return isFinite ? (given.values[row] ?? NaN) : NaN;
  });
  return { values_B, count };
}

function resultOf(
  input: PluginOnLogits | PluginOnPair,
  { term, loss }: PluginCall,
  gradientLength: number,
): PluginResult {
  const name = term.plugin;
  let given: unknown;
  try {
    given = loss(input);
  } catch (error) {
    throw new UserError(
      `plug-in ${name}: it failed: ${error instanceof Error ? error.message : String(error)}`,
      exitCodes.data,
      error,
    );
  }
  return {
    values: numbersOf(given, 'values', input.rows, name),
    gradient: numbersOf(given, 'gradient', gradientLength, name),
  };
}

function numbersOf(given: unknown, key: keyof PluginResult, length: number, name: string): ArrayLike<number> {
  const found: unknown =
    typeof given === 'object' && given !== null && key in given ? Reflect.get(given, key) : undefined;
  if (!isNumbers(found))
    throw new UserError(
      `plug-in ${name}: it gave no ${key}; an array of ${counted(length, 'number')} wanted`,
      exitCodes.data,
    );
  if (found.length !== length)
    throw new UserError(
      `plug-in ${name}: ${key} of ${counted(found.length, 'number')} given; ${length} wanted`,
      exitCodes.data,
    );
  return found;
}

function isNumbers(value: unknown): value is ArrayLike<number> {
  return (
    value instanceof Float64Array ||
    value instanceof Float32Array ||
    (Array.isArray(value) && value.every((one) => typeof one === 'number'))
  );
}
