/**
 * Where a search stands: a fold over the lines of its journal, and the next thing to do as a function of that alone. A
 * search that was killed reads its journal and goes on as if nothing had been. Pure.
 */
import { z } from 'zod';
import { exitCodes, UserError } from '../../shared/errors.js';
import { mustAt } from '../../shared/must.js';
import { goesOn, isRung, type Halving } from './halving.js';
import type { Objective } from './objective.js';
import { propose } from './proposals.js';
import { choicesIn, pointOf, valuesAt, type Dimension, type Point, type TrialValues } from './space.js';

const keyValue = z.union([z.number(), z.string(), z.boolean()]);

/** What a search is a search of: the first line of its journal. It is continued by the same search alone. */
const searchLine = z.object({
  type: z.literal('search'),
  version: z.literal(1),
  /** The digest of the run that the recipe describes without any trial's values. */
  recipe: z.string(),
  /** Everything else that trials follow from. */
  identity: z.record(z.string(), z.unknown()),
});
const trialLine = z.object({
  type: z.literal('trial'),
  trial: z.int().positive(),
  values: z.record(z.string(), keyValue),
});
/** How a trial's student stood at an epoch's end, the epochs counted from 1; null: it had no finite figure. */
const epochLine = z.object({
  type: z.literal('epoch'),
  trial: z.int().positive(),
  epoch: z.int().positive(),
  /** The epochs of a whole trial. */
  of: z.int().positive(),
  value: z.number().nullable(),
});
const endLine = z.object({
  type: z.literal('end'),
  trial: z.int().positive(),
  /** `done`: it ran to its end; `halved`: it was not among the best at a rung; `failed`: it came to no figure. */
  outcome: z.enum(['done', 'halved', 'failed']),
  value: z.number().nullable(),
  reason: z.string().optional(),
});

/** A line of search.jsonl. */
export const searchLineSchema = z.discriminatedUnion('type', [searchLine, trialLine, epochLine, endLine]);
export type SearchLine = z.infer<typeof searchLineSchema>;
export type TrialEnd = Omit<z.infer<typeof endLine>, 'type' | 'trial'>;

interface EpochResult {
  readonly value: number | null;
  readonly of: number;
}

/** A trial, as far as the journal tells. */
export interface SearchTrial {
  /** Its number, from 1. */
  readonly number: number;
  readonly values: TrialValues;
  /** By the number of the epoch, from 1, in their order. Epochs without an evaluation have no entry. */
  readonly epochs: ReadonlyMap<number, EpochResult>;
  /** Null while it is not over. */
  readonly end: TrialEnd | null;
}

export interface SearchState {
  readonly origin: Omit<z.infer<typeof searchLine>, 'type'> | null;
  /** In the order of their numbers; only the last one may not be over. */
  readonly trials: readonly SearchTrial[];
}

export const emptySearch: SearchState = { origin: null, trials: [] };

/** The state after a line. @throws UserError 65 for a line that cannot follow */
export function afterLine(state: SearchState, line: SearchLine): SearchState {
  if (line.type === 'search') {
    const { type: _, ...origin } = line;
    return expectFollows(state.origin === null && state.trials.length === 0, line, { ...state, origin });
  }
  const last = state.trials.at(-1);
  if (line.type === 'trial') {
    const isNext = state.origin !== null && line.trial === state.trials.length + 1 && last?.end !== null;
    const trial: SearchTrial = { number: line.trial, values: line.values, epochs: new Map(), end: null };
    return expectFollows(isNext, line, { ...state, trials: [...state.trials, trial] });
  }
  if (last?.number !== line.trial || last.end !== null) return expectFollows(false, line, state);
  const trial: SearchTrial =
    line.type === 'epoch'
      ? { ...last, epochs: new Map([...last.epochs, [line.epoch, { value: line.value, of: line.of }]]) }
      : { ...last, end: { outcome: line.outcome, value: line.value, reason: line.reason } };
  return { ...state, trials: [...state.trials.slice(0, -1), trial] };
}

function expectFollows(isSo: boolean, line: SearchLine, state: SearchState): SearchState {
  if (isSo) return state;
  const what = line.type === 'search' ? 'a second search' : `${line.type} of trial ${line.trial}`;
  throw new UserError(
    `search.jsonl is damaged: ${what} stands where it cannot be; put it back from a copy, or choose another --out`,
    exitCodes.data,
  );
}

/** What decisions follow from beside the trials. */
export interface SearchPlan {
  readonly space: readonly Dimension[];
  readonly seed: number;
  readonly startup: number;
  readonly halving: Halving;
  readonly objective: Objective;
  /** How many trials the search is to have. */
  readonly trials: number;
  /** What the recipe sets the space's keys to: the first trial, where that lies in the space; null where it does not. */
  readonly own: TrialValues | null;
}

/** So often another proposal is looked for that no trial has had; in a space of few choices there may be none left. */
const attempts = 100;

/** The values of the next trial; null where there is one that is not over, or there are enough, or nothing is left to try. */
export function nextTrial(plan: SearchPlan, { trials }: SearchState): TrialValues | null {
  if (trials.length >= plan.trials || trials.at(-1)?.end === null) return null;
  if (trials.length === 0 && plan.own !== null) return plan.own;
  const { space, seed, startup, objective } = plan;
  const points = ranked(trials, objective).map((trial) => mustBePoint(space, trial));
  const tried = new Set(trials.map(({ values }) => keyOf(space, values)));
  const axes = space.map(choicesIn);
  for (let attempt = 0; attempt < attempts; attempt++) {
    const values = valuesAt(space, propose({ axes, seed, startup }, { trial: trials.length, attempt }, points));
    if (!tried.has(keyOf(space, values))) return values;
  }
  return null;
}

const keyOf = (space: readonly Dimension[], values: TrialValues): string =>
  JSON.stringify(space.map(({ key }) => values[key]));

function mustBePoint(space: readonly Dimension[], { number, values }: SearchTrial): Point {
  const point = pointOf(space, values);
  if (point !== null) return point;
  throw new UserError(
    `search.jsonl is damaged: trial ${number} lies outside of the search's space; put it back from a copy, or choose another --out`,
    exitCodes.data,
  );
}

/**
 * The trials that are over, the best first: those that are done by their values, then those that were halved, the later
 * the better and at the same rung by their values there, then those that failed. Of equals the first comes first.
 */
export function ranked(trials: readonly SearchTrial[], { costOf }: Pick<Objective, 'costOf'>): readonly SearchTrial[] {
  const orders = { done: 0, halved: 1, failed: 2 } as const;
  const orderOf = ({ end, epochs }: SearchTrial): readonly number[] => {
    const value = end?.value ?? null;
    if (end === null || value === null) return [orders.failed, 0, 0];
    const reached = end.outcome === 'halved' ? -Math.max(...epochs.keys()) : 0;
    return [orders[end.outcome], reached, costOf(value)];
  };
  return trials
    .filter(({ end }) => end !== null)
    .map((trial) => ({ trial, key: orderOf(trial) }))
    .sort((a, b) => a.key.map((part, i) => part - mustAt(b.key, i)).find((sign) => sign !== 0) ?? 0)
    .map(({ trial }) => trial);
}

/** What becomes of the trial that is not over, by its newest epoch; null: it goes on. */
export function verdict(plan: SearchPlan, { trials }: SearchState): TrialEnd | null {
  const trial = trials.at(-1);
  const [epoch, result] = [...(trial?.epochs ?? [])].at(-1) ?? [];
  if (trial?.end !== null || epoch === undefined || result === undefined) return null;
  const { value } = result;
  const { halving, objective } = plan;
  if (value === null)
    return { outcome: 'failed', value: null, reason: `${objective.name} is no finite number at epoch ${epoch}` };
  if (halving === null || !isRung(halving, epoch, result.of)) return null;
  const others = trials.slice(0, -1).flatMap((other) => {
    const there = other.epochs.get(epoch)?.value ?? null;
    return there === null ? [] : [objective.costOf(there)];
  });
  if (goesOn(halving, objective.costOf(value), others)) return null;
  return { outcome: 'halved', value, reason: `at epoch ${epoch}, of ${others.length + 1} trials there` };
}
