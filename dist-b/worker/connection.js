import { WebSocket } from 'ws';
import { exitCodes, ProtocolError, UserError } from '../shared/errors.js';
import { decodeDown, encodeFrame, sendFrame } from '../shared/protocol/codec.js';
import { limits, subprotocol } from '../shared/protocol/messages.js';
/** Why a connection could not be opened now, and may be later. */
export class Unreachable extends Error {
}
/**
 * @throws UserError 77 when the coordinator refuses this worker: token, version
 * @throws Unreachable when there is no coordinator, or not yet
 */
export function connect(options) {
    const socket = new WebSocket(options.url, [subprotocol], {
        headers: options.token === null ? {} : { authorization: `Bearer ${options.token}` },
        perMessageDeflate: false,
        maxPayload: limits.frameBytes,
        handshakeTimeout: options.handshakeMs ?? 10_000,
        // Zero masks: ws then skips masking on both sides. Masks protect proxies from browsers' scripts; this is no browser.
        generateMask: () => undefined,
    });
    return new Promise((resolve, reject) => {
        socket.once('open', () => resolve(new SocketConnection(socket)));
        socket.once('unexpected-response', (_request, response) => {
            void refusalOf(response).then((error) => {
                reject(error);
                socket.terminate();
            });
        });
        socket.on('error', (error) => reject(new Unreachable(error.message, { cause: error })));
    });
}
const finalStatuses = new Set([400, 401, 403, 404, 426]);
async function refusalOf(response) {
    const status = response.statusCode ?? 0;
    const text = await readStart(response);
    if (!finalStatuses.has(status))
        return new Unreachable(`status ${status}: ${text}`);
    return new UserError(`the coordinator refused this worker (${status}): ${text}`, exitCodes.refused);
}
const refusalBytes = 4096;
/** The `error` of a JSON body, else the body's start, in one line. */
async function readStart(response) {
    let text = '';
    try {
        for await (const bytes of response.setEncoding('utf8')) {
            text += String(bytes);
            if (text.length > refusalBytes)
                break;
        }
    }
    catch (error) {
        if (text === '')
            return error instanceof Error ? error.message : 'no reason given';
    }
    return errorField(text) ?? (text.slice(0, 200).replace(/\s+/g, ' ').trim() || (response.statusMessage ?? 'no reason given'));
}
function errorField(text) {
    try {
        const body = JSON.parse(text);
        if (typeof body === 'object' && body !== null && 'error' in body && typeof body.error === 'string')
            return body.error;
    }
    catch (error) {
        if (!(error instanceof SyntaxError))
            throw error;
    }
    return null;
}
const closeMs = 2000;
class SocketConnection {
    closed;
    #socket;
    constructor(socket) {
        this.#socket = socket;
        // Fragments are not joined: the head of a big frame is one, its payload the other.
        socket.binaryType = 'fragments';
        this.closed = new Promise((resolve) => {
            socket.once('close', (code, reason) => resolve({ code, reason: reason.toString('utf8') }));
        });
    }
    get bufferedBytes() {
        return this.#socket.bufferedAmount;
    }
    send(message, payload, whenSent) {
        const done = () => whenSent?.();
        if (this.#socket.readyState !== WebSocket.OPEN)
            return done();
        sendFrame(this.#socket, encodeFrame(message, payload), done);
    }
    receive(onMessage) {
        this.#socket.on('message', (data, isBinary) => {
            try {
                if (!isBinary || data instanceof ArrayBuffer)
                    throw new ProtocolError('a frame is not binary');
                const { message, payload } = decodeDown(data);
                onMessage(message, payload);
            }
            catch (error) {
                if (!(error instanceof ProtocolError))
                    throw error;
                this.close(error.closeCode, error.message);
            }
        });
    }
    pause() {
        this.#socket.pause();
    }
    resume() {
        this.#socket.resume();
    }
    close(code, reason) {
        this.#socket.resume();
        this.#socket.close(code, reason.replace(/[^\x20-\x7e]/g, '?').slice(0, 120));
        // A coordinator that is gone or stopped does not answer the closing handshake.
        const timer = setTimeout(() => this.#socket.terminate(), closeMs);
        void this.closed.then(() => clearTimeout(timer));
    }
    terminate() {
        this.#socket.terminate();
    }
}
//# sourceMappingURL=connection.js.map