/**
 * Loss weights and temperatures that change in a run. The coordinator alone computes them (Math.cos differs between
 * versions of Node) and sends them with each lease; workers put them in their places. Pure.
 *
 *   f = clamp((step - start) / steps, 0, 1)
 *   linear: from + f (to - from)     cosine: from + (1 - cos(pi f)) / 2 (to - from)     step: `from` until f = 1, then `to`
 */
import { lossesAtStepSchema } from './loss-schema.js';
export function scheduleAt(schedule, step, totalSteps) {
    const steps = schedule.steps ?? Math.max(1, totalSteps - schedule.start);
    const f = Math.min(1, Math.max(0, (step - schedule.start) / steps));
    if (f === 0)
        return schedule.from;
    if (f === 1)
        return schedule.to;
    if (schedule.over === 'step')
        return schedule.from;
    return schedule.from + (schedule.over === 'linear' ? f : (1 - Math.cos(Math.PI * f)) / 2) * (schedule.to - schedule.from);
}
/** Every scheduled number of a step by its name, `<term>.<key>`; none where all are constant. */
export function scalarsAt(losses, step, totalSteps) {
    return Object.fromEntries(schedules(losses).map(([name, schedule]) => [name, scheduleAt(schedule, step, totalSteps)]));
}
/** `<term>.<key>` and its schedule. */
export function schedules(losses) {
    return Object.entries(losses).flatMap(([term, options]) => Object.entries(options ?? {}).flatMap(([key, value]) => (isSchedule(value) ? [[`${term}.${key}`, value]] : [])));
}
/** The losses of one step; schedules without a scalar are at their beginning. */
export function lossesAt(losses, scalars = {}) {
    const resolve = (term, options) => Object.fromEntries(Object.entries(options).map(([key, value]) => [key, isSchedule(value) ? (scalars[`${term}.${key}`] ?? value.from) : value]));
    return lossesAtStepSchema.parse(Object.fromEntries(Object.entries(losses).flatMap(([term, options]) => (options === undefined ? [] : [[term, resolve(term, options)]]))));
}
function isSchedule(value) {
    return typeof value === 'object' && value !== null && 'from' in value && 'to' in value && 'over' in value;
}
/** Each term's weight in a step. */
export function weightsAt(losses, step, totalSteps) {
    const now = lossesAt(losses, scalarsAt(losses, step, totalSteps));
    return Object.fromEntries(Object.entries(now).flatMap(([term, options]) => (options === undefined ? [] : [[term, options.weight]])));
}
//# sourceMappingURL=schedules.js.map