/**
 * The pure core: it hears events and says commands. No I/O, no clock, no randomness: the same events give the same
 * commands. The rules of the machine:
 *
 *   unit:   open --- root complete ---> committing --- committed (released) ---> the next unit opens
 *             \----- hopeless block --> committing, as a skip (three in a row: finish failed)
 *   lease:  computing -> offered -> pulled -> accepted     or, from any but the last, returned
 *
 *   - One unit is open; leases of the one after it are tentative: to be prepared, and due once it opens.
 *   - A worker computes one lease of the open unit at a time and holds one tentative one behind it, never before it.
 *   - Leased blocks never overlap. A block may be leased to several workers; the first valid contribution wins.
 *   - Sums are taken by tree position, never in order of arrival.
 *   - A worker that leaves, is silent or has another state is gone: its leases are open again, what came in from it stays.
 *   - Late: a block whose leases are all past their deadlines is leased to one worker more. Failed: it is tried once elsewhere.
 *   - Lost: a late lease of a worker that does not move is taken back and leased anew; three in a row end its connection.
 *   - After every event settle() asks the same few questions until nothing changes, so no event can forget one.
 */
import { commitComplete, endIfStopped, openNext, skipHopeless } from './commits.js';
import { leaseAhead, leaseOpen, pullNext } from './granting.js';
import { hear } from './hearing.js';
import { Machine } from './machine.js';
const questions = [endIfStopped, openNext, commitComplete, skipHopeless, pullNext, leaseOpen, leaseAhead];
export class Core {
    #machine;
    #heardMs = null;
    constructor(config) {
        this.#machine = new Machine(config);
    }
    /** The commands that the event leads to, to be carried out in order. After `finish` there are none. */
    handle(event) {
        const m = this.#machine;
        if (m.isOver)
            return [];
        m.commands = [];
        m.nowMs = event.nowMs;
        this.#forgivePause(event.nowMs);
        hear(m, event);
        settle(m);
        return m.commands;
    }
    get accounts() {
        return this.#machine.leases.accounts;
    }
    view() {
        const { index, open, isOver, members } = this.#machine;
        return {
            index,
            unit: open?.work.unit ?? null,
            phase: isOver ? 'over' : open?.isCommitting === true ? 'committing' : 'open',
            microBatches: open?.progress.microBatches ?? 0,
            workers: [...members.all].map(({ id, isReady, costMs, leases, progress }) => ({ worker: id, isReady, msPerMicroBatch: costMs.get('train') ?? null, leases: leases.size, progress })),
        };
    }
    /** A long time without any event, ticks included, was the coordinator's own pause: nobody was silent or late in it. */
    #forgivePause(nowMs) {
        const m = this.#machine;
        const pausedMs = nowMs - (this.#heardMs ?? nowMs);
        this.#heardMs = nowMs;
        if (pausedMs <= m.config.silenceMs / 2)
            return;
        for (const member of m.members.all) {
            member.heardMs += pausedMs;
            member.movedMs += pausedMs;
        }
        for (const task of m.open?.work.tasks ?? [])
            for (const lease of task.leases)
                lease.lateMs += pausedMs;
    }
}
function settle(m) {
    while (!m.isOver && questions.some((ask) => ask(m)))
        ;
    if (m.isOver)
        return;
    const isIdle = m.members.ready.size === 0 && m.open?.isCommitting !== true;
    m.sayWaiting(isIdle ? 'waiting: no worker is ready' : null);
}
//# sourceMappingURL=decide.js.map