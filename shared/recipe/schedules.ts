/**
 * Loss weights and temperatures that change in a run. The coordinator alone computes them (Math.cos differs between
 * versions of Node) and sends them with each lease; workers put them in their places. Pure.
 *
 *   f = clamp((step - start) / steps, 0, 1)
 *   linear: from + f (to - from)     cosine: from + (1 - cos(pi f)) / 2 (to - from)     step: `from` until f = 1, then
 * `to`
 */
import { lossesAtStepSchema, type Losses, type LossesAtStep, type Schedule } from './loss-schema.js';
import { optionsOf, termsIn } from './terms.js';

export function scheduleAt(schedule: Schedule, step: number, totalSteps: number): number {
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

/** `<term>.<key>` and its schedule. */
export function schedules(losses: Losses): [name: string, schedule: Schedule][] {
  const scheduled = (['weight', 'temperature'] as const).flatMap((key) =>
    termsIn(losses).map((term) => [`${term}.${key}`, optionsOf(losses, term)?.[key]] as const),
  );
  return scheduled.flatMap(([name, value]): [string, Schedule][] => (typeof value === 'object' ? [[name, value]] : []));
}

/** The losses of one step; schedules without a scalar are at their beginning. */
export function lossesAt(losses: Losses, scalars: Readonly<Record<string, number>> = {}): LossesAtStep {
  const resolve = (
    term: string,
    options: { readonly weight: number | Schedule; readonly temperature?: number | Schedule },
  ): object => {
    const at = (key: 'weight' | 'temperature'): object => {
      const value = options[key];
      return typeof value === 'object' ? { [key]: scalars[`${term}.${key}`] ?? value.from } : {};
    };
    return { ...options, ...at('weight'), ...at('temperature') };
  };
  const { plugins, ...builtIn } = losses;
  const given = Object.entries(builtIn).flatMap(([term, options]): [string, object][] =>
    options === undefined ? [] : [[term, resolve(term, options)]],
  );
  const plugged = Object.entries(plugins ?? {}).map(([name, options]): [string, object] => [
    name,
    resolve(`plugins.${name}`, options),
  ]);
  return lossesAtStepSchema.parse({
    ...Object.fromEntries(given),
    ...(plugins === undefined ? {} : { plugins: Object.fromEntries(plugged) }),
  });
}

/** Each term's weight in a step. */
export function weightsAt(losses: Losses, step: number, totalSteps: number): Record<string, number> {
  const now = lossesAt(losses, scalarsAt(losses, step, totalSteps));
  return Object.fromEntries(termsIn(now).map((term) => [term, optionsOf(now, term)?.weight ?? 0]));
}
