import { gradientBytes } from './encoding.js';
import { momentValues, pool } from './moments.js';
/** left + right by name; a name that only one of them has passes through (zero is never added). */
export function addSums(left, right) {
    const sums = { ...left };
    for (const [name, value] of Object.entries(right)) {
        const held = sums[name];
        sums[name] = held === undefined ? value : held + value;
    }
    return sums;
}
/** All but the gradients, whose addition the holder of the slots does when both sides have one. */
export function mergeContributions(left, right, norms) {
    return {
        hasGradient: left.hasGradient || right.hasGradient,
        sums: addSums(left.sums, right.sums),
        moments: pool(left.moments, right.moments, norms),
    };
}
/** @param compression another than the plan's for a commit from before it was changed */
export function contributionBytes(plan, compression = plan.compression) {
    return gradientBytes(compression, plan.gradientFloats) + 8 * momentValues(plan.norms);
}
/** The moments' values in a contribution's bytes, which must start on a multiple of 8. A view. */
export function momentsView(plan, bytes, compression = plan.compression) {
    return new Float64Array(bytes.buffer, bytes.byteOffset + gradientBytes(compression, plan.gradientFloats), momentValues(plan.norms));
}
/** Copies the moments out of a contribution's bytes; null for a student without batch norm. */
export function readMoments(plan, bytes, counts, compression) {
    if (plan.norms.length === 0)
        return null;
    return { counts: [...counts], values: Float64Array.from(momentsView(plan, bytes, compression)) };
}
/** Writes the moments into a contribution's bytes, behind the gradient. */
export function writeMoments(plan, bytes, moments) {
    if (moments !== null)
        momentsView(plan, bytes).set(moments.values);
}
//# sourceMappingURL=contribution.js.map