import { expectOwnState } from './own-state.js';
export class Snapshotter {
    #options;
    #logBytes;
    #lastStep;
    #lastMs;
    /** Bytes of log that the last snapshot found; they stay until two newer snapshots are kept. */
    #logBase;
    #writing = null;
    #copy = null;
    constructor(options) {
        this.#options = options;
        this.#logBytes = options.logBytes ?? Math.max(64 * 1024 * 1024, 4 * options.replica.plan.stateBytes);
        this.#lastStep = options.snapshots.newest?.step ?? 0;
        this.#lastMs = options.nowMs();
        this.#logBase = 0;
    }
    /** To be called between two commits, with the position of the state as it is. */
    consider(position) {
        if (this.#writing !== null || !this.#isDue(position))
            return;
        this.#writing = this.#take(position)
            .catch((error) => this.#options.onError(error))
            .finally(() => {
            this.#writing = null;
        });
    }
    /** Takes one now, unless the newest is of this position. @throws UserError when the disk fails */
    async finish(position) {
        await this.#writing;
        if (position.step > (this.#options.snapshots.newest?.step ?? 0))
            await this.#take(position);
    }
    /** Resolves once nothing is being written. */
    async idle() {
        await this.#writing;
    }
    #isDue({ step }) {
        const { everySteps, everySeconds, nowMs, log } = this.#options;
        if (step === this.#lastStep)
            return false;
        return step - this.#lastStep >= everySteps || nowMs() - this.#lastMs >= everySeconds * 1000 || log.sizeBytes - this.#logBase >= this.#logBytes;
    }
    async #take(position) {
        const { replica, log, snapshots, nowMs } = this.#options;
        expectOwnState(replica, position);
        [this.#lastStep, this.#lastMs, this.#logBase] = [position.step, nowMs(), log.sizeBytes];
        log.rotate();
        // Kept between snapshots: filling fresh memory takes several times as long as copying.
        this.#copy ??= new Uint8Array(replica.plan.stateBytes);
        this.#copy.set(replica.state());
        await snapshots.write(this.#copy, position);
        await log.dropBefore(snapshots.oldestStep);
        this.#logBase = Math.min(this.#logBase, log.sizeBytes);
    }
}
//# sourceMappingURL=snapshotter.js.map