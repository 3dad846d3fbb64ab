/**
 * The worker processes of `run`: one per device, on this machine, told the token through the environment.
 * They end with the run; one that is killed is started again a few times, since its leases go to others meanwhile. One
 * that ends by itself has said why, and would say it again.
 */
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { exitCodes, UserError } from '../shared/errors.js';
const restartLimit = 3;
/** A frame of an error's stack. */
const stackFrame = /^\s+at /;
export class LocalWorkers {
    options;
    children = new Map();
    restarts = new Map();
    closing = false;
    live;
    firstFailure;
    isDone = false;
    failed;
    reportFailure = () => undefined;
    constructor(options) {
        this.options = options;
        this.live = options.count;
        this.failed = new Promise((resolve) => {
            this.reportFailure = resolve;
        });
        for (let i = 0; i < options.count; i++)
            this.start(i);
    }
    /**
     * Rejects, with the first failure, once no worker is left that could still do anything. Never when one was told that
     * the work is done: the coordinator is about to end then. One that was stopped may know of it before the coordinator has.
     */
    async whenLost() {
        const { code, line } = await this.failed;
        if (code === exitCodes.stopped)
            await delay(this.options.stopMs ?? 30_000, undefined, { ref: false });
        throw new UserError(line === '' ? 'every local worker ended' : line, (code ?? exitCodes.bug));
    }
    pids() {
        return [...this.children.values()].flatMap((child) => (child.pid === undefined ? [] : [child.pid]));
    }
    start(i) {
        const [file = process.execPath, ...rest] = this.options.command;
        const child = spawn(file, [...rest, 'worker', this.options.url, ...this.options.arguments], {
            stdio: ['pipe', 'ignore', 'pipe'],
            env: { ...process.env, ...this.options.environment(i), STILLHOUSE_TOKEN: this.options.token, STILLHOUSE_LOCAL: '1' },
        });
        this.children.set(i, child);
        let reason = '';
        child.stderr?.setEncoding('utf8').on('data', (text) => {
            for (const line of text.split('\n')) {
                if (line.trim() === '')
                    continue;
                if (!stackFrame.test(line))
                    reason = line.replace(/^stillhouse: /, '');
                this.options.onLine(`worker ${i + 1}: ${line}`);
            }
        });
        child.on('error', (error) => {
            reason = error.message;
        });
        child.on('close', (code) => this.ended(i, code, reason));
    }
    ended(i, code, line) {
        this.children.delete(i);
        if (this.closing)
            return;
        const restarts = this.restarts.get(i) ?? 0;
        if ((code === null || code === exitCodes.unavailable) && restarts < restartLimit) {
            this.restarts.set(i, restarts + 1);
            this.options.onLine(`worker ${i + 1} ended (${code ?? 'killed'}); starting it again (${restarts + 1} of ${restartLimit})`);
            this.start(i);
            return;
        }
        if (code === exitCodes.done)
            this.isDone = true;
        else
            this.firstFailure ??= { code, line };
        this.live--;
        if (this.live === 0 && !this.isDone && this.firstFailure !== undefined)
            this.reportFailure(this.firstFailure);
    }
    /** Waits `graceMs` for the workers to end by themselves, then ends them. */
    async close(graceMs) {
        this.closing = true;
        const ends = [...this.children.values()].map((child) => new Promise((resolve) => (child.exitCode === null && child.signalCode === null ? child.once('close', () => resolve()) : resolve())));
        for (const child of this.children.values())
            child.stdin?.end();
        const timer = setTimeout(() => {
            for (const child of this.children.values())
                child.kill('SIGKILL');
        }, graceMs);
        await Promise.all(ends);
        clearTimeout(timer);
    }
}
//# sourceMappingURL=local-workers.js.map