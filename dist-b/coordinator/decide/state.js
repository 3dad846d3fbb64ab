export function costClassOf(unit) {
    return unit.kind === 'train' ? 'train' : (unit.subject ?? 'student');
}
/** Whether the worker could not compute the block: its process, under whatever connection. */
export function hasFailed(task, { process }) {
    return task.failedBy.some((other) => other.process === process);
}
/** Micro-batches of the task. */
export function sizeOf(task) {
    return task.to - task.from;
}
/** For messages: `micro-batches 4..7 of step 12`. */
export function nameOf({ unit, from, to }) {
    const range = to - from === 1 ? `micro-batch ${from}` : `micro-batches ${from}..${to - 1}`;
    return `${range} of ${nameOfUnit(unit)}`;
}
export function nameOfUnit(unit) {
    return unit.kind === 'train' ? `step ${unit.step}` : `the ${unit.subject ?? 'student'} evaluation at step ${unit.step}`;
}
//# sourceMappingURL=state.js.map