import { faultPoint } from '../shared/fault-points.js';
import { contributionBytes } from '../shared/reduction/contribution.js';
import { scalarsAt } from '../shared/recipe/schedules.js';
import { termsIn } from '../shared/recipe/terms.js';
import { writeBest } from './best.js';
import { Broadcast } from './broadcast.js';
import { Committer } from './commit.js';
import { Contributions } from './contributions.js';
import { Core } from './decide/decide.js';
import { isFailedStep, skipsAtEnd } from './journal.js';
import { Members } from './members.js';
import { termMeans, termWarnings } from './reports/metrics.js';
import { checkTeachers } from './reports/teachers.js';
import { SlotPool } from './slot-pool.js';
import { Snapshotter } from './snapshotter.js';
import { divisorsOf } from './units.js';
export class Run {
    envelope;
    #options;
    #core;
    #pool;
    #contributions;
    #broadcast;
    #committer;
    #snapshotter;
    #members;
    #queue = [];
    #outcome;
    #settle = { resolve: () => undefined, reject: () => undefined };
    /** Frames that never became an event. */
    #refused = 0;
    #committing = Promise.resolve();
    #isHandling = false;
    #isOver = false;
    /** Of the next unit. */
    #unit;
    #firstSamples;
    #releasedHash;
    #scalings = new Map();
    /** Loss terms that a warning was given of. */
    #warned = new Set();
    #ticker;
    #onStop;
    constructor(options) {
        const { run, folder, replica, log, recovered, units, times } = options;
        this.#options = options;
        this.envelope = { run: folder.run, generation: folder.generation.counter };
        this.#outcome = new Promise((resolve, reject) => {
            this.#settle = { resolve, reject };
        });
        this.#unit = recovered.unit;
        this.#firstSamples = options.account.samples;
        this.#releasedHash = recovered.stateHash;
        this.#pool = new SlotPool(options.buffers);
        this.#contributions = new Contributions(replica, this.#pool);
        this.#broadcast = new Broadcast({ log, envelope: this.envelope, released: recovered.step });
        this.#members = new Members({
            ...options, envelope: this.envelope, contributions: this.#contributions, broadcast: this.#broadcast, onRefused: () => this.#refused++,
            heartbeatMs: times.heartbeatMs, isRewound: recovered.isRewound, stateHash: () => this.#releasedHash,
            post: (event) => this.#post(event), fail: (error) => this.fail(error),
        });
        this.#committer = new Committer({
            ...options, pool: this.#pool, contributions: this.#contributions, broadcast: this.#broadcast, journal: recovered.journal,
            expectNewest: () => folder.expectNewest(), generation: this.envelope.generation, totalSteps: units.totalSteps, terms: this.#terms, step: recovered.step,
            update: recovered.update, stateHash: recovered.stateHash, warn: (text) => options.reporter.say('warn', text),
        });
        this.#snapshotter = new Snapshotter({ ...options, ...run.recipe.snapshots, onError: (error) => this.fail(error) });
        this.#core = new Core({
            unitAt: units.unitAt, firstUnit: recovered.unit, stateHash: recovered.stateHash, skips: skipsAtEnd(recovered.lines), isRebuilt: options.isRebuilt, slots: options.slots,
            contributionBytes: contributionBytes(replica.plan), silenceMs: times.silenceMs, firstLeaseMs: times.firstLeaseMs,
        });
        this.#ticker = setInterval(() => this.#tick(), times.tickMs);
        this.#onStop = () => this.#post({ type: 'stop', reason: String(options.stopSignal.reason ?? 'asked to') });
        options.stopSignal.addEventListener('abort', this.#onStop, { once: true });
        if (options.stopSignal.aborted)
            this.#onStop();
    }
    /** No worker is let in any more: this run has nothing left for it. */
    get isOver() {
        return this.#isOver;
    }
    /** Resolves at the run's end. @throws UserError when storage fails or training diverges; anything else is a bug */
    async finished() {
        const outcome = await this.#outcome;
        clearInterval(this.#ticker);
        this.#members.endHearing();
        await this.#committing;
        this.#isOver = true;
        await this.#snapshotter.idle();
        if (outcome.type === 'stopped')
            await this.#snapshotter.finish(this.#position());
        const line = this.#options.account.closeEpoch();
        if (line !== null && outcome.type === 'done')
            this.#options.reporter.epoch(line);
        return outcome;
    }
    connect(socket, peer) {
        this.#members.connect(socket, peer);
    }
    findArtifact(sha256) {
        const { run, snapshots } = this.#options;
        const snapshot = snapshots.all.find((candidate) => candidate.sha256 === sha256);
        return snapshot === undefined ? run.artifacts.get(sha256) : { path: snapshot.path };
    }
    /** Leases granted, those of them for micro-batches that had been due at a worker before, and what was refused. */
    leases() {
        const { granted, repeated, refused } = this.#core.accounts;
        return { granted, repeated, refused: refused + this.#refused };
    }
    workers() {
        return this.#members.roster.list();
    }
    /** Resolves once nothing is being written any more. */
    async idle() {
        await this.#committing;
        await this.#snapshotter.idle();
    }
    /** Tells every worker, and waits a moment for them to close. */
    sayEnd(end) {
        return this.#members.sayEnd(end);
    }
    fail(error) {
        this.#isOver = true;
        this.#settle.reject(error);
    }
    close() {
        this.#isOver = true;
        clearInterval(this.#ticker);
        this.#options.stopSignal.removeEventListener('abort', this.#onStop);
        this.#members.close();
        this.#options.reporter.close();
    }
    // Events and commands
    #tick() {
        this.#members.noticeBytes();
        this.#post({ type: 'tick' });
        if (this.#pool.isShort)
            this.#members.cutSlowReaders(this.#options.times.patienceMs);
    }
    #post(event) {
        this.#queue.push(event);
        if (this.#isHandling)
            return;
        this.#isHandling = true;
        try {
            for (let next = this.#queue.shift(); next !== undefined && !this.#isOver; next = this.#queue.shift()) {
                for (const command of this.#core.handle({ ...next, nowMs: this.#options.nowMs() }))
                    this.#carryOut(command);
            }
        }
        catch (error) {
            this.fail(error);
        }
        finally {
            this.#isHandling = false;
        }
    }
    #carryOut(command) {
        switch (command.type) {
            case 'lease':
                return this.#lease(command);
            case 'cancel':
                return this.#cancel(command.worker, command.id);
            case 'pull':
                return this.#intakeOf(command.worker)?.pull(command.id, command.slot);
            case 'accept':
                this.#intakeOf(command.worker)?.accept(command.id, command.slot);
                return this.#members.settle(command.worker, command.id);
            case 'merge':
                return this.#contributions.merge(command.into, command.from);
            case 'free':
                return this.#contributions.free(command.slot);
            case 'commit':
                this.#committing = this.#commit(command).catch((error) => this.fail(error));
                return;
            case 'release':
                this.#releasedHash = command.stateHash;
                this.#broadcast.release(command.step, command.stateHash);
                return void setImmediate(faultPoint, 'before-acknowledgement');
            case 'resync':
                return this.#members.resync(command.worker, command.reason);
            case 'dismiss':
                return this.#members.get(command.worker)?.dismiss(command.code, command.reason);
            case 'finish':
                return this.#settle.resolve({ type: command.outcome, reason: command.reason, step: this.#broadcast.released });
            case 'say':
                return this.#options.reporter.say(command.level, command.text);
            default: {
                const unknown = command;
                throw new Error(`command ${JSON.stringify(unknown)}`);
            }
        }
    }
    #intakeOf(worker) {
        return this.#members.get(worker)?.admitted?.intake;
    }
    #lease({ worker, id, unit, block }) {
        const member = this.#members.get(worker);
        if (member === undefined)
            return;
        member.admitted?.intake.open(id, unit, block);
        const { kind, subject, step, epoch, from, to, microBatches } = unit;
        const lease = { id, kind, ...(subject === undefined ? {} : { subject }), step, epoch, from, to, microBatches, block, ...this.#scaling(unit) };
        member.outbox.send({ type: 'lease', ...this.envelope, step, lease });
        faultPoint('leased');
    }
    #cancel(worker, lease) {
        const member = this.#members.get(worker);
        const unit = member?.admitted?.intake.unitOf(lease) ?? null;
        member?.admitted?.intake.cancel(lease);
        member?.outbox.send({ type: 'cancel', ...this.envelope, step: unit?.step ?? this.#broadcast.released, lease });
    }
    get #terms() {
        return termsIn(this.#options.run.recipe.losses);
    }
    /** Divisors and scheduled numbers of a step, counted once, not once a lease. */
    #scaling(unit) {
        if (unit.kind === 'evaluate')
            return { divisors: {}, scalars: {} };
        const { trainLabels, sampleAt, recipe } = this.#options.run;
        const scaling = this.#scalings.get(unit.step) ?? {
            divisors: divisorsOf(unit, { terms: this.#terms, labels: trainLabels, sampleAt }),
            scalars: scalarsAt(recipe.losses, unit.step, this.#options.units.totalSteps),
        };
        this.#scalings.set(unit.step, scaling);
        // This step's and the tentative next one's are asked for.
        for (const step of this.#scalings.keys())
            if (step < unit.step - 1)
                this.#scalings.delete(step);
        return scaling;
    }
    // Commits
    async #commit(request) {
        const isTraining = request.unit.kind === 'train';
        const line = isTraining ? await this.#committer.commitTraining(request) : await this.#committer.commitEvaluation(request, (evaluation) => this.#keepBest(evaluation));
        if (this.#isOver)
            return;
        faultPoint('after-fsync');
        this.#unit = request.index + 1;
        this.#report(line);
        // Before the core may begin the next commit.
        this.#snapshotter.consider(this.#position());
        const stopEarly = !isTraining && this.#options.account.isStale;
        if (stopEarly)
            this.#options.reporter.say('info', `no better evaluation in ${this.#options.run.recipe.evaluate.earlyStop?.patience ?? 0}; training ends`);
        this.#post({ type: 'committed', unit: request.index, stateHash: this.#committer.stateHash, isSkipped: line.type === 'commit' && isFailedStep(line), stopEarly });
    }
    async #keepBest(line) {
        if (this.#options.account.isBest(line))
            await writeBest(this.#options.folder.path, this.#options.replica.readWeights());
    }
    #report(line) {
        const { account, reporter, units, folder } = this.#options;
        const epoch = account.add(line);
        if (epoch !== null) {
            reporter.epoch(epoch);
            for (const [term, warning] of termWarnings(epoch)) {
                if (!this.#warned.has(term))
                    reporter.say('warn', warning);
                this.#warned.add(term);
            }
            folder.append('metrics.jsonl', `${JSON.stringify(epoch)}\n`).catch((error) => this.fail(error));
        }
        if (line.type === 'evaluation' && line.subject === 'teachers')
            checkTeachers(line, this.#options.run, reporter);
        if (line.type !== 'commit')
            return;
        reporter.progress({
            step: line.step + 1, totalSteps: units.totalSteps, epoch: line.epoch, epochs: units.epochs, samples: account.samples - this.#firstSamples,
            terms: termMeans(line.loss, line.counts), workers: this.#members.readyCount,
        });
    }
    /** Of the state as it is between two commits. */
    #position() {
        const { units } = this.#options;
        const { update, stateHash } = this.#committer;
        const step = this.#committer.step;
        return { step, update, unit: this.#unit, epoch: Math.floor(step / units.stepsPerEpoch), stateHash, recipeDigest: this.#options.run.recipeDigest };
    }
}
//# sourceMappingURL=run.js.map