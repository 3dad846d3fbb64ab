import { ProtocolError } from '../shared/errors.js';
import { decodeUp } from '../shared/protocol/codec.js';
import { closeCodes, limits, protocolVersion } from '../shared/protocol/messages.js';
import { Outbox } from './outbox.js';
export class Member {
    outbox;
    #peer;
    #bytesSeen = 0;
    /** Null before the hello was accepted. */
    admitted = null;
    isReady = false;
    progress = 0;
    #host;
    #saidHello = false;
    #reason = 'connection lost';
    constructor(socket, peer, host) {
        this.#host = host;
        this.#peer = peer;
        this.outbox = new Outbox(socket);
        // A head and its payload come as two fragments, which need not be joined.
        socket.binaryType = 'fragments';
        const timer = setTimeout(() => this.dismiss(closeCodes.refused, `no hello within ${limits.helloMs} ms`), limits.helloMs);
        socket.on('message', (data, isBinary) => {
            clearTimeout(timer);
            this.#hear(data, isBinary);
        });
        socket.on('error', (error) => {
            this.#reason = error.message;
        });
        socket.on('close', () => {
            clearTimeout(timer);
            this.outbox.closed();
            host.onClosed(this, this.#reason);
        });
    }
    get name() {
        return this.admitted === null ? this.#peer.address : `${this.admitted.id} (${this.admitted.device.host})`;
    }
    /** Whether anything came since this was asked last. */
    hasNewBytes() {
        const bytes = this.#peer.bytesRead();
        const isNew = bytes > this.#bytesSeen;
        this.#bytesSeen = bytes;
        return isNew;
    }
    dismiss(code, reason) {
        this.#reason = reason;
        this.outbox.close(code, reason);
    }
    /** Cuts the connection without a word, for peers that do not read. */
    terminate(reason) {
        this.#reason = reason;
        this.outbox.terminate();
    }
    /** For a `close` that the peer itself explained. */
    explain(reason) {
        this.#reason = reason;
    }
    #hear(data, isBinary) {
        if (this.outbox.isClosed)
            return;
        try {
            if (!isBinary)
                throw new ProtocolError('a frame that is not binary');
            const { message, payload } = decodeUp(frameData(data));
            this.#dispatch(message, payload);
        }
        catch (error) {
            if (!(error instanceof ProtocolError))
                return this.#host.onBug(error);
            this.#host.onRefused(this, error.message);
            this.dismiss(error.closeCode, error.message);
        }
    }
    #dispatch(message, payload) {
        if (message.type === 'hello')
            return this.#hello(message);
        if (this.admitted === null)
            throw new ProtocolError(`${message.type} before hello`);
        const { run, generation } = this.#host.envelope;
        if (message.run !== run || message.generation !== generation) {
            throw new ProtocolError(`${message.type} of run ${message.run}, generation ${message.generation}; this is ${run}, ${generation}`, closeCodes.stale);
        }
        this.#host.onMessage(this, message, payload);
    }
    #hello(hello) {
        if (this.#saidHello)
            throw new ProtocolError('a second hello');
        this.#saidHello = true;
        if (hello.protocol !== protocolVersion) {
            throw new ProtocolError(`protocol ${hello.protocol}; this coordinator speaks ${protocolVersion}`, closeCodes.refused);
        }
        const { recipeDigest } = this.#host;
        if (hello.recipeDigest !== null && hello.recipeDigest !== recipeDigest) {
            throw new ProtocolError(`recipe ${hello.recipeDigest.slice(0, 12)}; this run's is ${recipeDigest.slice(0, 12)}`, closeCodes.refused);
        }
        this.#host.onHello(this, hello);
    }
}
/** What `ws` hands over with `binaryType: 'fragments'`. */
function frameData(data) {
    if (data instanceof Uint8Array)
        return data;
    if (Array.isArray(data) && data.every((part) => part instanceof Uint8Array))
        return data;
    throw new ProtocolError('a frame of no bytes');
}
//# sourceMappingURL=member.js.map