/**
 * What happens to a unit whose root is complete (design, section 3, step 5), in order:
 *
 *   reduce  ->  hold (bytes go out)  ->  apply  ->  log + journal, fsynced  ->  (the core) release
 *
 * Each phase is a function of its own. An evaluation changes no weights: it is a journal line.
 */
import { exitCodes, UserError } from '../shared/errors.js';
import { isDue } from '../shared/fault-points.js';
import { commitScalars, skipScalars } from '../shared/optimizer/scalars.js';
import { split } from '../shared/protocol/chunks.js';
import { limits } from '../shared/protocol/messages.js';
import { skipLimit } from './decide/commits.js';
import { nothingApplied } from './journal.js';
import { chunkCrcs } from './log.js';
import { expectOwnState } from './own-state.js';
import { applyCommit } from './recovery.js';
const emptyDigest = '0'.repeat(16);
export class Committer {
    #options;
    #step;
    #update;
    #stateHash;
    constructor(options) {
        this.#options = options;
        this.#step = options.step;
        this.#update = options.update;
        this.#stateHash = options.stateHash;
    }
    /** Commits applied. */
    get step() {
        return this.#step;
    }
    get update() {
        return this.#update;
    }
    /** Hash of the state after the last commit. */
    get stateHash() {
        return this.#stateHash;
    }
    /** Resolves once the commit is on the disk. @throws UserError (65) when training has diverged, (69) when the disk fails */
    async commitTraining(request) {
        const { replica, contributions } = this.#options;
        const content = request.slot === null ? null : contributions.take(request.slot);
        const { live, skip } = this.#reduce(request, content);
        this.#options.broadcast.hold(live);
        live.retired?.pin();
        if (live.bytes.length > limits.chunkBytes)
            await new Promise(setImmediate);
        expectOwnState(replica, { step: this.#step, stateHash: this.#stateHash });
        this.#apply(live, content?.buffer ?? null);
        const line = this.#line(request, content?.sums ?? {}, skip);
        if (live.retired === null && content !== null && content.buffer !== null)
            this.#options.pool.give(content.buffer);
        await this.#store(live, line);
        live.retired?.unpin();
        return line;
    }
    async commitEvaluation({ index, unit, slot }, beforeJournal) {
        const { generation, nowMs, journal, contributions } = this.#options;
        const sums = slot === null ? {} : contributions.take(slot).sums;
        const line = {
            type: 'evaluation', generation, atMs: nowMs(), step: unit.step, unit: index, epoch: unit.epoch,
            subject: unit.subject ?? 'student', samples: unit.to - unit.from, sums: { ...sums },
        };
        await beforeJournal(line);
        await this.#options.expectNewest();
        await journal.append(line);
        return line;
    }
    /** The commit with its scalars; `skip` says why there is no update. */
    #reduce({ index, unit, skip, skips, reason }, content) {
        const buffer = content?.buffer ?? null;
        const squares = buffer === null ? 0 : this.#options.replica.slotSquares(buffer);
        const why = skip ? reason || 'skipped' : this.#reasonToSkip({ unit, skips }, buffer, squares);
        if (content === null || buffer === null || why !== undefined) {
            const head = { step: unit.step, unit: index, scalars: skipScalars(this.#update), compression: this.#options.replica.plan.compression, bytes: 0, digest: emptyDigest, momentCounts: [] };
            return { live: { head, bytes: new Uint8Array(0), checksums: [], retired: null }, skip: why ?? 'skipped' };
        }
        return { live: this.#liveCommit({ index, unit, squares }, { ...content, buffer }), skip: undefined };
    }
    /** @throws UserError (65) when too many steps in a row have no update */
    #reasonToSkip({ unit, skips }, buffer, squares) {
        if (buffer === null)
            return nothingApplied;
        if (Number.isFinite(squares))
            return undefined;
        if (skips + 1 >= skipLimit)
            throw new UserError(`step ${unit.step}: the sum of gradients is not finite, and ${skipLimit} steps in a row have no update; lower the learning rate or clip`, exitCodes.data);
        this.#options.warn(`step ${unit.step}: the sum of gradients is not finite; no update`);
        return 'the sum of gradients is not finite';
    }
    #liveCommit({ index, unit, squares }, content) {
        const { replica, totalSteps, pool } = this.#options;
        replica.writeMoments(content.buffer, content.moments);
        this.#update++;
        const scalars = commitScalars(replica.plan.optimizer, replica.plan, { update: this.#update, step: unit.step, totalSteps, gradientSquares: squares });
        const view = replica.slotBytes(content.buffer);
        const isSmall = view.length <= limits.chunkBytes;
        // A small commit is cheaper to copy than to keep its buffer from being used again.
        const bytes = isSmall ? view.slice() : view;
        const head = {
            step: unit.step, unit: index, scalars, compression: replica.plan.compression, bytes: bytes.length, digest: replica.hashSlot(content.buffer),
            momentCounts: [...(content.moments?.counts ?? [])],
        };
        if (isSmall)
            return { head, bytes, checksums: [], retired: null };
        const checksums = split(bytes.length).map(({ offset, length }) => replica.checksum(bytes.subarray(offset, offset + length)));
        return { head, bytes, checksums, retired: pool.retire(content.buffer) };
    }
    #apply(live, buffer) {
        const { replica } = this.#options;
        applyCommit(replica, live.head, live.head.bytes === 0 ? null : buffer);
        this.#step = live.head.step + 1;
        if (live.head.bytes > 0)
            this.#stateHash = replica.hashState();
        if (isDue('flip'))
            replica.weights[0] = (replica.weights[0] ?? 0) + 1;
    }
    #line({ index, unit }, sums, skip) {
        const { generation, nowMs } = this.#options;
        return {
            type: 'commit', generation, atMs: nowMs(), step: unit.step, unit: index, epoch: unit.epoch, from: unit.from, to: unit.to,
            samples: unit.to - unit.from, ...this.#splitSums(sums), ...(skip === undefined ? {} : { skip }), digest: this.#stateHash,
        };
    }
    #splitSums(sums) {
        const { terms } = this.#options;
        const pick = (suffix) => Object.fromEntries(terms.flatMap((term) => {
            const value = sums[`${term}${suffix}`];
            return value === undefined ? [] : [[term, value]];
        }));
        const own = new Set(terms.flatMap((term) => [term, `${term}.count`]));
        return { loss: pick(''), counts: pick('.count'), sums: Object.fromEntries(Object.entries(sums).filter(([name]) => !own.has(name))) };
    }
    /** Log and journal in parallel: recovery takes either one being ahead. */
    async #store(live, line) {
        const { log, journal } = this.#options;
        const record = { ...live.head, checksums: chunkCrcs(live.bytes), stateHash: this.#stateHash, line };
        await this.#options.expectNewest();
        await Promise.all([log.append(record, live.head.bytes === 0 ? null : live.bytes), journal.append(line)]);
    }
}
//# sourceMappingURL=commit.js.map