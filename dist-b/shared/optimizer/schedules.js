export function scheduleFactor(schedule, step, totalSteps) {
    if (schedule === undefined)
        return 1;
    if (step < schedule.warmupSteps)
        return (step + 1) / schedule.warmupSteps;
    switch (schedule.name) {
        case 'constant':
            return 1;
        case 'step':
            return schedule.gamma ** decays(schedule, step);
        case 'cosine': {
            const progress = Math.min(1, (step - schedule.warmupSteps) / Math.max(1, totalSteps - schedule.warmupSteps));
            return schedule.finalFraction + ((1 - schedule.finalFraction) * (1 + Math.cos(Math.PI * progress))) / 2;
        }
    }
}
function decays(schedule, step) {
    if (schedule.everySteps !== undefined)
        return Math.floor(step / schedule.everySteps);
    return (schedule.milestones ?? []).filter((milestone) => milestone <= step).length;
}
//# sourceMappingURL=schedules.js.map