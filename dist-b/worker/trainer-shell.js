/** The main thread's half of the link: its messages become a desk, models and a trainer for each run that it begins. */
import { exitCodes, UserError } from '../shared/errors.js';
import { WaitEnded } from './compute.js';
import { Desk } from './desk.js';
import { probe } from './probe.js';
import { train } from './trainer.js';
/** Builds and runs one run's trainer after the other. */
export class TrainerShell {
    /** Rejects when a trainer fails; never resolves. */
    failed;
    #backend;
    #control;
    #link;
    #fetches = new Map();
    #desk = null;
    #previous = Promise.resolve();
    #fail = () => undefined;
    constructor(backend, control, link) {
        this.#backend = backend;
        this.#control = control;
        this.#link = link;
        this.failed = new Promise((_resolve, reject) => {
            this.#fail = reject;
        });
    }
    hear(message) {
        if (message.type === 'begin')
            this.#begin(message);
        else if (message.type === 'fetched')
            this.#settle(message.sha256, (waiter) => waiter.resolve(message.path));
        else if (message.type === 'fetchFailed')
            this.#settle(message.sha256, (waiter) => waiter.reject(new UserError(message.message, message.exitCode)));
        else
            this.#desk?.hear(message);
    }
    /** Ends the trainer after its micro-batch and frees its models. What fails on the way out is of no use to anyone. */
    async close() {
        this.#desk?.queue.close();
        for (const sha256 of [...this.#fetches.keys()])
            this.#settle(sha256, (waiter) => waiter.reject(new Error('the link has ended')));
        await this.#previous.catch(() => undefined);
    }
    /** The desk takes messages from now on; the run's trainer starts when the one before it has ended. */
    #begin(begin) {
        this.#desk?.queue.close();
        const desk = new Desk(begin, this.#control, (message) => this.#link.post(message));
        this.#desk = desk;
        this.#previous = this.#previous.then(() => this.#work(begin, desk));
        this.#previous.catch((error) => this.#fail(error));
    }
    async #work(begin, desk) {
        if (desk.queue.isClosed)
            return;
        const { recipe, manifest, initialPath, session } = begin;
        checkBackend(recipe.numerics.backend, this.#backend.name);
        const compute = await this.#backend.open(begin, (sha256) => this.#fetch(sha256), () => this.#isWanted(desk));
        try {
            const slot = begin.trainerSlots[0] ?? 0;
            const { digest, repeatable } = await probe({ compute, recipe, manifest, initialPath, replica: desk.replica, slot });
            this.#link.post({ type: 'built', session, digest, repeatable });
            await train({ desk, compute, recipe });
        }
        catch (error) {
            if (!(error instanceof WaitEnded))
                throw error;
        }
        finally {
            await compute.dispose();
        }
    }
    #isWanted(desk) {
        this.#control.tick();
        return !desk.queue.isClosed;
    }
    #fetch(sha256) {
        return new Promise((resolve, reject) => {
            const waiters = this.#fetches.get(sha256);
            if (waiters !== undefined)
                return void waiters.push({ resolve, reject });
            this.#fetches.set(sha256, [{ resolve, reject }]);
            this.#link.post({ type: 'fetch', sha256 });
        });
    }
    #settle(sha256, settle) {
        const waiters = this.#fetches.get(sha256) ?? [];
        this.#fetches.delete(sha256);
        waiters.forEach(settle);
    }
}
function checkBackend(wanted, opened) {
    if (wanted === 'auto' || wanted === opened)
        return;
    throw new UserError(`this worker's backend is ${opened}, the recipe wants ${wanted}: start the worker with --backend ${wanted}`, exitCodes.refused);
}
//# sourceMappingURL=trainer-shell.js.map