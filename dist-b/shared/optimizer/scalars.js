import { clipFactor } from './clipping.js';
import { scheduleFactor } from './schedules.js';
export function commitScalars(optimizer, plan, position) {
    const rate = optimizer.learningRate * scheduleFactor(optimizer.schedule, position.step, position.totalSteps);
    return {
        skip: false,
        update: position.update,
        clip: clipFactor(optimizer.clipNorm, position.gradientSquares),
        groups: plan.groups.map((group) => groupScalars(optimizer, group, rate, position.update)),
        ema: optimizer.ema > 0 ? 1 - optimizer.ema : 0,
    };
}
/** A step that covers its samples without an update; `update` stays what it was. */
export function skipScalars(update) {
    return { skip: true, update, clip: 1, groups: [], ema: 0 };
}
function groupScalars(optimizer, group, baseRate, update) {
    if (group.frozen)
        return {};
    const learningRate = baseRate * group.learningRateScale;
    const { weightDecay } = group;
    if (optimizer.name === 'sgd')
        return { learningRate, weightDecay, momentum: optimizer.momentum };
    const isDecoupled = optimizer.name === 'adamw';
    return {
        learningRate,
        stepSize: learningRate / (1 - optimizer.beta1 ** update),
        weightDecay: isDecoupled ? 0 : weightDecay,
        keep: isDecoupled ? 1 - learningRate * weightDecay : 1,
        share1: 1 - optimizer.beta1,
        beta2: optimizer.beta2,
        share2: 1 - optimizer.beta2,
        inverseRoot: 1 / Math.sqrt(1 - optimizer.beta2 ** update),
        epsilon: optimizer.epsilon,
    };
}
//# sourceMappingURL=scalars.js.map