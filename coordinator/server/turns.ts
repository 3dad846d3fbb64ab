/**
 * A connection's requests, answered one after the other: a peer that sends many without reading the answers makes us
 * hold one of them, not all.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests that may wait on one connection; our own workers send one at a time. */
const waitingLimit = 8;

interface Turn {
  /** Resolves once the answer to the last request that was taken is sent, or its connection is gone. */
  last: Promise<void>;
  waiting: number;
}

export class Turns {
  readonly #turns = new WeakMap<Socket, Turn>();

  /** Calls `serve` when all answers before `response` are sent. Not at all for one of too many, whose connection ends. */
  async take(socket: Socket, response: ServerResponse, serve: () => Promise<void>): Promise<void> {
    const turn = this.#turns.get(socket) ?? { last: Promise.resolve(), waiting: 0 };
    this.#turns.set(socket, turn);
    if (turn.waiting >= waitingLimit) return void socket.destroy();
    const before = turn.last;
    turn.last = new Promise((resolve) => response.once('close', resolve));
    turn.waiting++;
    await before;
    turn.waiting--;
    if (!response.destroyed && !socket.destroyed) await serve();
  }
}
