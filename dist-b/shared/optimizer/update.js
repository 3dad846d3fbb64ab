export function applyUpdate(plan, kernels, target) {
    for (const range of target.updates) {
        updateRange(plan, kernels, { ...target, range });
        if (plan.hasEma) {
            const { ema, weights } = target.layout;
            kernels.average(ema + 4 * range.offset, weights + 4 * range.offset, range.floats, target.scalars.ema);
        }
    }
}
function updateRange(plan, kernels, target) {
    const { layout, range, scalars } = target;
    const at = 4 * range.offset;
    const w = layout.weights + at;
    const g = target.gradient + at;
    const [m = 0, v = 0] = layout.moments.map((moment) => moment + at);
    const scalar = reader(scalars, range.group);
    const common = { clip: scalars.clip, weightDecay: scalar('weightDecay') };
    if (plan.optimizer.name === 'sgd') {
        const sgd = { ...common, learningRate: scalar('learningRate') };
        if (plan.moments === 0)
            return kernels.sgd(w, g, range.floats, sgd);
        const kernel = plan.optimizer.nesterov ? kernels.nesterov : kernels.momentum;
        return kernel(w, g, m, range.floats, { ...sgd, momentum: scalar('momentum') });
    }
    kernels.adam(w, g, m, v, range.floats, {
        ...common,
        stepSize: scalar('stepSize'), keep: scalar('keep'),
        share1: scalar('share1'), beta2: scalar('beta2'), share2: scalar('share2'),
        inverseRoot: scalar('inverseRoot'), epsilon: scalar('epsilon'),
    });
}
function reader(scalars, group) {
    return (name) => {
        const value = scalars.groups[group]?.[name];
        if (value === undefined)
            throw new Error(`commit without ${name} for parameter group ${group}`);
        return value;
    };
}
//# sourceMappingURL=update.js.map