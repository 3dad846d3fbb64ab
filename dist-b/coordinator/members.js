import { exitCodes, UserError } from '../shared/errors.js';
import { faultPoint } from '../shared/fault-points.js';
import { closeCodes } from '../shared/protocol/messages.js';
import { feed } from './feed.js';
import { Intake } from './intake.js';
import { Member } from './member.js';
import { Roster } from './roster.js';
import { hashAt, startOf, welcomeOf } from './welcome.js';
/** Fallings behind after which a worker is refused. */
const slowLimit = 3;
const endGraceMs = 2000;
/** Waiting says how busy the others are, and the optimizer runs beside the trainer: neither says how fast a worker is. */
const notComputing = new Set(['wait', 'optimizer']);
export class Members {
    envelope;
    recipeDigest;
    roster = new Roster();
    #options;
    #broadcast;
    #connections = new Set();
    #members = new Map();
    #admitted = 0;
    /** Workers that are ready before all that are expected are; null from then on. */
    #early = new Map();
    #isOver = false;
    constructor(options) {
        this.#options = options;
        this.#broadcast = options.broadcast;
        this.envelope = options.envelope;
        this.recipeDigest = options.run.recipeDigest;
    }
    connect(socket, peer) {
        this.#connections.add(new Member(socket, peer, this));
    }
    /** A worker whose frame is still coming in is not silent, however long the frame takes. */
    noticeBytes() {
        for (const member of this.#members.values()) {
            if (member.admitted !== null && member.hasNewBytes())
                this.#options.post({ type: 'heard', worker: member.admitted.id, progress: member.progress });
        }
    }
    get(id) {
        return this.#members.get(id);
    }
    get readyCount() {
        return [...this.#members.values()].filter(({ isReady }) => isReady).length;
    }
    /** Nothing that workers say counts any more. */
    endHearing() {
        this.#isOver = true;
    }
    /** Tells every worker, and waits a moment for them to close. */
    async sayEnd(end) {
        this.endHearing();
        for (const member of this.#connections) {
            member.outbox.send({ type: 'end', ...this.envelope, step: this.#broadcast.released, ...end });
        }
        const deadlineMs = performance.now() + endGraceMs;
        while (this.#connections.size > 0 && performance.now() < deadlineMs)
            await new Promise((resolve) => setTimeout(resolve, 10));
    }
    close() {
        this.endHearing();
        for (const member of this.#connections)
            member.dismiss(closeCodes.shutdown, 'the coordinator ends');
        this.#broadcast.wake();
    }
    /** A step waits for a buffer that sockets do not let go of: those that take nothing are cut off. */
    cutSlowReaders(patienceMs) {
        for (const member of this.#connections)
            if (member.outbox.stalledMs() > patienceMs)
                member.terminate('reads too slowly');
    }
    onHello(member, hello) {
        const { snapshots, isRewound, folder, heartbeatMs } = this.#options;
        const released = this.#broadcast.released;
        const start = startOf(hello, { ...this.#known(), nonces: folder.nonces, isRewound });
        if (start.type === 'ahead')
            return this.#options.fail(staleFolder(folder.path, released, start.step));
        const { initial } = snapshots;
        if (initial === undefined)
            throw new Error('a run has an initial snapshot from its start on');
        const id = `w${++this.#admitted}`;
        this.roster.admit(hello.worker, hello.device);
        member.admitted = { id, worker: hello.worker, device: hello.device, intake: this.#intakeFor(id, member) };
        this.#members.set(id, member);
        member.outbox.send(welcomeOf(id, start.snapshot, { run: this.#options.run, envelope: this.envelope, nonce: folder.generation.nonce, initial, released, heartbeatMs }));
        this.#options.post({ type: 'join', worker: id, process: hello.worker });
        feed({ broadcast: this.#broadcast, outbox: member.outbox, from: start.step, onTooSlow: () => this.#onTooSlow(member) }).catch((error) => {
            if (!this.#isOver)
                this.#options.fail(error);
        });
    }
    onMessage(member, message, payload) {
        const { admitted } = member;
        if (this.#isOver || admitted === null)
            return;
        switch (message.type) {
            case 'ready':
                return this.#onReady(member, message);
            case 'heartbeat':
                member.progress = message.progress;
                member.outbox.send({ type: 'pong', ...this.envelope, step: this.#broadcast.released, sentMs: message.sentMs });
                return this.#options.post({ type: 'heard', worker: admitted.id, progress: message.progress, rttMs: message.rttMs });
            case 'offer':
                return this.#onOffer(member, message, payload);
            case 'chunk':
                if (!admitted.intake.chunk(message, payload))
                    this.#options.onRefused();
                return faultPoint('first-chunk');
            case 'failed':
                if (admitted.intake.unitOf(message.lease) === null)
                    return this.onRefused(member, `failed for lease ${message.lease}, which is not open`);
                admitted.intake.cancel(message.lease);
                return this.#options.post({ type: 'failed', worker: admitted.id, lease: message.lease, reason: `micro-batch ${message.microBatch}: ${message.reason}` });
            case 'differs':
                return this.#onDiffers(admitted.id, message);
            case 'leave':
                member.explain(message.reason);
                return this.#options.post({ type: 'leave', worker: admitted.id, reason: message.reason });
            default: {
                const unknown = message;
                throw new Error(`message ${JSON.stringify(unknown)}`);
            }
        }
    }
    onRefused(member, reason) {
        this.#options.onRefused();
        if (member.admitted === null)
            this.#options.reporter.say('warn', `${member.name} refused: ${reason}`);
    }
    onClosed(member, reason) {
        this.#connections.delete(member);
        this.#broadcast.wake();
        if (member.admitted === null)
            return;
        const { id, intake } = member.admitted;
        this.#members.delete(id);
        this.#early?.delete(id);
        this.#options.post({ type: 'leave', worker: id, reason });
        intake.cancelAll();
    }
    onBug(error) {
        this.#options.fail(error);
    }
    #onReady(member, message) {
        const { admitted } = member;
        if (admitted === null)
            return;
        const known = hashAt(message.step, this.#known());
        if (known !== undefined && known !== message.stateHash)
            return this.#onDiffers(admitted.id, message);
        const { numerics, saved } = this.#options.probes.judge(message.probe, admitted.device);
        saved.catch((error) => this.#options.fail(error));
        const entry = this.roster.admit(admitted.worker, admitted.device);
        entry.numerics = numerics;
        const device = `${admitted.device.backend}${admitted.device.gpu === null ? '' : ` on ${admitted.device.gpu}`}`;
        if (this.#options.run.recipe.numerics.exact && numerics !== 'exact') {
            this.#options.reporter.say('warn', `${member.name} refused: ${device} is ${numerics} and the recipe wants exact numerics (reference: ${this.#options.probes.referenceText})`);
            return member.dismiss(closeCodes.refused, `numerics ${numerics}; the recipe wants exact ones`);
        }
        member.isReady = true;
        this.#options.reporter.say('info', `${member.name} is ready: ${device}, numerics ${numerics}`);
        this.#begin(admitted.id, { type: 'ready', worker: admitted.id, step: message.step, stateHash: message.stateHash });
    }
    #onDiffers(worker, { step, stateHash }) {
        this.#options.post({ type: 'differs', worker, step, stateHash, wanted: hashAt(step, this.#known()) ?? 'no longer known' });
    }
    /** Keeps the first ones from work until all that are expected are ready; whoever comes later begins at once. */
    #begin(worker, ready) {
        const { expected, reporter, post } = this.#options;
        if (this.#early === null)
            return post(ready);
        this.#early.set(worker, ready);
        if (this.#early.size < expected)
            return reporter.say('info', `waiting for ${expected} workers: ${this.#early.size} ready`);
        const all = [...this.#early.values()];
        this.#early = null;
        all.forEach(post);
    }
    #onOffer(member, message, payload) {
        const { admitted } = member;
        if (admitted === null)
            return;
        const { lease, step, stateHash, digest, bytes, seconds } = message;
        faultPoint('computing');
        if (admitted.intake.unitOf(lease) === null)
            return this.onRefused(member, `offer for lease ${lease}, which is not open`);
        if (admitted.intake.unitOf(lease)?.kind === 'train')
            this.roster.addSeconds(admitted.worker, seconds);
        const computeSeconds = Object.entries(seconds).reduce((sum, [phase, value]) => (notComputing.has(phase) ? sum : sum + value), 0);
        admitted.intake.offer(message, payload, () => {
            this.#options.post({ type: 'offer', worker: admitted.id, lease, step, stateHash, digest, bytes, computeSeconds });
        });
    }
    #onTooSlow(member) {
        const entry = member.admitted === null ? undefined : this.roster.of(member.admitted.worker);
        if (entry === undefined)
            return;
        entry.slow++;
        const isFinal = entry.slow >= slowLimit;
        const reason = `fell behind what the log still holds${isFinal ? `, ${slowLimit} times` : ''}`;
        this.#options.reporter.say('warn', `${member.name} ${reason}`);
        member.dismiss(isFinal ? closeCodes.refused : closeCodes.tooSlow, reason);
    }
    #intakeFor(worker, member) {
        return new Intake({
            replica: this.#options.replica, contributions: this.#options.contributions,
            sendPull: (lease, unit) => member.outbox.send({ type: 'pull', ...this.envelope, step: unit.step, lease }),
            onEvent: (event) => {
                faultPoint('all-chunks');
                if (event.type === 'received')
                    this.settle(worker, event.lease);
                this.#options.post({ ...event, worker });
            },
        });
    }
    /** The lease's contribution is in: counts its samples for the worker and forgets the lease. */
    settle(worker, lease) {
        const admitted = this.#members.get(worker)?.admitted;
        const samples = admitted?.intake.settle(lease) ?? 0;
        const entry = this.roster.of(admitted?.worker ?? '');
        if (entry !== undefined)
            entry.samples += samples;
    }
    #known() {
        const { log, snapshots } = this.#options;
        return { log, snapshots, released: this.#broadcast.released, stateHash: this.#options.stateHash() };
    }
    resync(worker, reason) {
        const member = this.#members.get(worker);
        if (member === undefined)
            return;
        this.#options.reporter.say('warn', `${member.name} starts again from a snapshot: ${reason}`);
        member.outbox.send({ type: 'resync', ...this.envelope, step: this.#broadcast.released, reason });
        member.dismiss(closeCodes.stale, reason);
    }
}
function staleFolder(path, released, held) {
    return new UserError(`${path}: a worker has applied ${held} steps of this run and the folder knows ${released}; it is an old copy, use the newest one`, exitCodes.data);
}
//# sourceMappingURL=members.js.map