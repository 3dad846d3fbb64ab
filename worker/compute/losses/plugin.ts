/**
 * A loss that is not built in: a module of one file, installed on every worker by its owner. It is given copies, and
 * what it gives back is checked before it counts. The interface for those who write one is in docs/plugins.md.
 *
 *   export function loss({ rows, classes, logits, labels, targets, soft, temperature, options }) -> { values, gradient
 * }
 *   export function loss({ rows, labels, student, teacher, options })                   -> { values, gradient }     on
 * pairs
 */
import { exitCodes, UserError } from '../../../shared/errors.js';
import type { LossesAtStep } from '../../../shared/recipe/loss-schema.js';
import type { Activation } from '../../../shared/losses/math/activation.js';
import type { PairInput, TermInput, TermValues } from '../../../shared/losses/term.js';

/** What a plug-in gives: each sample's value, and the gradient of their plain sum, without weight or divisor. */
export interface PluginResult {
  /** [rows] */
  readonly values: ArrayLike<number>;
  /** Laid out as the logits, or as the student's activation. */
  readonly gradient: ArrayLike<number>;
}

export interface PluginOnLogits {
  readonly rows: number;
  readonly classes: number;
  /** [rows x classes] */
  readonly logits: Float32Array;
  /** [rows]; -1: none. */
  readonly labels: Int32Array;
  /** [rows x classes]: target vectors, which samples of label -1 have not; null where samples have classes. */
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
/** By name. */
export type PluginLosses = ReadonlyMap<string, PluginLoss>;

export interface PluginCall {
  readonly name: string;
  readonly loss: PluginLoss;
  readonly labels: Int32Array;
  readonly targets: Float32Array | null;
  readonly options: NonNullable<LossesAtStep['plugins']>[string];
}

/**
 * @param soft_BC what the recipe has it given of the ensemble @throws UserError 65 when it fails, or gives something
 * else than was wanted
 */
export function pluginOnLogits(
  { logits_BC, classes, scale, gradient_BC }: TermInput,
  soft_BC: Float32Array | null,
  call: PluginCall,
): TermValues {
  const {
    labels,
    options: { temperature, options },
  } = call;
  return judged(
    {
      rows: labels.length,
      classes,
      logits: logits_BC.slice(),
      labels: labels.slice(),
      targets: call.targets?.slice() ?? null,
      soft: soft_BC?.slice() ?? null,
      temperature,
      options: structuredClone(options),
    },
    call,
    { scale, gradient: gradient_BC },
  );
}

/** @throws UserError 65 as above */
export function pluginOnPair({ student, teacher, rows, scale, gradient }: PairInput, call: PluginCall): TermValues {
  const copy = ({ values, shape }: Activation): Activation => ({ values: values.slice(), shape: [...shape] });
  return judged(
    {
      rows,
      labels: call.labels.slice(),
      student: copy(student),
      teacher: copy(teacher),
      options: structuredClone(call.options.options),
    },
    call,
    { scale, gradient },
  );
}

/** Calls it and adds its gradient, sample by sample: those that it does not apply to are left out. */
function judged(
  input: PluginOnLogits | PluginOnPair,
  call: PluginCall,
  { scale, gradient }: { readonly scale: number; readonly gradient: Float64Array },
): TermValues {
  const { rows } = input;
  const given = resultOf(input, call, gradient.length);
  const applies = (row: number): boolean => call.options.over === 'samples' || (call.labels[row] ?? -1) >= 0;
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
  { name, loss }: PluginCall,
  gradientLength: number,
): PluginResult {
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
    throw new UserError(`plug-in ${name}: it gave no ${key}; an array of ${length} numbers wanted`, exitCodes.data);
  if (found.length !== length)
    throw new UserError(`plug-in ${name}: ${key} of ${found.length} numbers given; ${length} wanted`, exitCodes.data);
  return found;
}

function isNumbers(value: unknown): value is ArrayLike<number> {
  return (
    value instanceof Float64Array ||
    value instanceof Float32Array ||
    (Array.isArray(value) && value.every((one) => typeof one === 'number'))
  );
}
