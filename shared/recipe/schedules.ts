/**
 * Weights and temperatures of losses that change in a run. The coordinator alone computes them, since Math.cos differs
 * between versions of Node, and sends them with each lease; workers put them in their places. Pure.
 *
 *   f = clamp((step - start) / steps, 0, 1)
 *   linear   from + f (to - from)
 *   cosine   from + (1 - cos(pi f)) / 2 (to - from)
 *   step     `from` until f = 1, then `to`
 */
import type { LossSchedule } from '../losses/options.js';
import type { Losses } from './loss-schema.js';
import { termsIn, type LossTerm } from './terms.js';

export function scheduleAt(schedule: LossSchedule, step: number, totalSteps: number): number {
  const steps = schedule.steps ?? Math.max(1, totalSteps - schedule.start);
  const f = Math.min(1, Math.max(0, (step - schedule.start) / steps));
  if (f === 0) return schedule.from;
  if (f === 1) return schedule.to;
  if (schedule.over === 'step') return schedule.from;
  return (
    schedule.from + (schedule.over === 'linear' ? f : (1 - Math.cos(Math.PI * f)) / 2) * (schedule.to - schedule.from)
  );
}

/** Every scheduled number of a step by its name, `<term>.<key>`; none where all are constant. */
export function scalarsAt(losses: Losses, step: number, totalSteps: number): Record<string, number> {
  return Object.fromEntries(
    schedules(losses).map(([name, schedule]) => [name, scheduleAt(schedule, step, totalSteps)]),
  );
}

/** Every number that changes, by its name `<term>.<key>`, with its schedule: weights first. */
export function schedules(losses: Losses): [name: string, schedule: LossSchedule][] {
  const terms = termsIn(losses);
  return (['weight', 'temperature'] as const).flatMap((key) =>
    terms.flatMap((term): [string, LossSchedule][] => {
      const value = term[key];
      return typeof value === 'number' ? [] : [[`${term.name}.${key}`, value]];
    }),
  );
}

/** A term with its numbers as they are in one step. */
export type TermAtStep = LossTerm & { readonly weight: number; readonly temperature: number };
export type LossesAtStep = readonly TermAtStep[];

/**
 * The losses of one step.
 *
 * @param scalars what `scalarsAt` gave for the step; a schedule without one is at its beginning
 */
export function lossesAt(losses: Losses, scalars: Readonly<Record<string, number>> = {}): LossesAtStep {
  return termsIn(losses).map((term) => {
    const at = (key: 'weight' | 'temperature'): number => {
      const value = term[key];
      return typeof value === 'number' ? value : (scalars[`${term.name}.${key}`] ?? value.from);
    };
    return { ...term, weight: at('weight'), temperature: at('temperature') };
  });
}

/** Each term's weight in a step, by its name. */
export function weightsAt(losses: Losses, step: number, totalSteps: number): Record<string, number> {
  const now = lossesAt(losses, scalarsAt(losses, step, totalSteps));
  return Object.fromEntries(now.map(({ name, weight }) => [name, weight]));
}
