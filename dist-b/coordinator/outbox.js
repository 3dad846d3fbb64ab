import { encodeFrame, frameBytes, sendFrame } from '../shared/protocol/codec.js';
import { limits } from '../shared/protocol/messages.js';
/** Queued beyond this by small messages alone: the peer sends without reading. */
const hardLimitBytes = 2 * limits.queuedBytes;
export class Outbox {
    #socket;
    #queuedBytes = 0;
    #movedMs = 0;
    #wake = [];
    #isClosed = false;
    constructor(socket) {
        this.#socket = socket;
    }
    get queuedBytes() {
        return this.#queuedBytes;
    }
    /** Milliseconds since the socket last took something, while something is queued. */
    stalledMs() {
        return this.#queuedBytes === 0 ? 0 : performance.now() - this.#movedMs;
    }
    get isClosed() {
        return this.#isClosed;
    }
    send(message) {
        this.sendFrame(encodeFrame(message));
    }
    /** `done` is called once the frame's memory is no longer needed, whatever became of it. */
    sendFrame(frame, done = nothing) {
        if (this.#isClosed || this.#socket.readyState !== this.#socket.OPEN)
            return done();
        const size = frameBytes(frame);
        if (this.#queuedBytes === 0)
            this.#movedMs = performance.now();
        this.#queuedBytes += size;
        sendFrame(this.#socket, frame, () => {
            this.#queuedBytes -= size;
            this.#movedMs = performance.now();
            done();
            this.#notify();
        });
        if (this.#queuedBytes > hardLimitBytes)
            this.terminate();
    }
    /** Resolves once fewer than `bytes` are queued, or the connection is closed. */
    async room(bytes = limits.queuedBytes) {
        while (!this.#isClosed && this.#queuedBytes >= bytes)
            await new Promise((resolve) => this.#wake.push(resolve));
    }
    /** Says why, then closes; a peer that does not answer is cut off. */
    close(code, reason) {
        if (this.#isClosed)
            return;
        this.#socket.close(code, printable(reason));
        setTimeout(() => this.#socket.terminate(), closeGraceMs).unref();
        this.#markClosed();
    }
    terminate() {
        this.#socket.terminate();
        this.#markClosed();
    }
    /** The socket has closed. */
    closed() {
        this.#markClosed();
    }
    #markClosed() {
        this.#isClosed = true;
        this.#notify();
    }
    #notify() {
        const waiting = this.#wake;
        this.#wake = [];
        for (const wake of waiting)
            wake();
    }
}
const closeGraceMs = 2000;
function nothing() { }
/** A close frame holds at most 123 bytes of text. */
function printable(reason) {
    return reason.replace(/[^\x20-\x7e]/g, '?').slice(0, 120);
}
//# sourceMappingURL=outbox.js.map