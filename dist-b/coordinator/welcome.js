export function startOf(hello, sources) {
    const { held } = hello;
    const isOurs = held !== null && sources.nonces.has(held.nonce);
    if (isOurs && held.step > sources.released && !sources.isRewound)
        return { type: 'ahead', step: held.step };
    if (isOurs && hashAt(held.step, sources) === held.stateHash && canFeed(held.step, sources)) {
        return { type: 'start', step: held.step, snapshot: null };
    }
    const { newest } = sources.snapshots;
    if (newest === undefined)
        throw new Error('a run has a snapshot from its start on');
    return { type: 'start', step: newest.step, snapshot: newest };
}
/** Hash of the state before step `step`, as far as it is still known. */
export function hashAt(step, { log, snapshots, released, stateHash }) {
    if (step === released)
        return stateHash;
    return log.stateHashAfter(step - 1) ?? snapshots.all.find((snapshot) => snapshot.step === step)?.stateHash;
}
function canFeed(step, { log, released }) {
    return step === released || log.has(step);
}
export function welcomeOf(worker, snapshot, parts) {
    const { run, envelope, nonce, initial, released, heartbeatMs } = parts;
    return {
        type: 'welcome', ...envelope, step: released, nonce, worker, recipe: plain(run.recipe), recipeDigest: run.recipeDigest,
        student: run.studentArtifact, teachers: [...run.teachers], manifest: run.manifestArtifact,
        initial: { sha256: initial.sha256, bytes: initial.bytes },
        snapshot: snapshot === null ? null : { sha256: snapshot.sha256, bytes: snapshot.bytes, step: snapshot.step },
        heartbeatMs,
    };
}
/** Without keys whose value is undefined, which have no place on the wire. */
function plain(value) {
    return JSON.parse(JSON.stringify(value));
}
//# sourceMappingURL=welcome.js.map