/**
 * A connection's requests, answered one after the other: a peer that sends many without reading the answers makes us
 * hold one of them, not all. One that sends them faster than any worker does is answered as slowly as it should ask.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Rate, type Allowance } from '../../shared/rate.js';

/** Requests that may wait on one connection; our own workers send one at a time. */
const waitingLimit = 8;

/** Requests of one connection; our own workers make some hundreds a second at most. */
const requestAllowance: Allowance = { burst: 1000, perSecond: 500 };

interface Turn {
  readonly rate: Rate;
  /** Resolves once the answer to the last request that was taken is sent, or its connection is gone. */
  last: Promise<void>;
  waiting: number;
}

export class Turns {
  readonly #turns = new WeakMap<Socket, Turn>();

  /** Calls `serve` when all answers before `response` are sent. Not at all for one of too many, whose connection ends. */
  async take(socket: Socket, response: ServerResponse, serve: () => Promise<void>): Promise<void> {
    const turn = this.#turns.get(socket) ?? { last: Promise.resolve(), waiting: 0, rate: new Rate(requestAllowance) };
    this.#turns.set(socket, turn);
    if (turn.waiting >= waitingLimit) return void socket.destroy();
    const before = turn.last;
    turn.last = new Promise((resolve) => response.once('close', resolve));
    turn.waiting++;
    await before;
    const waitMs = turn.rate.take();
    if (waitMs > 0) await sleep(waitMs, undefined, { ref: false });
    turn.waiting--;
    if (!response.destroyed && !socket.destroyed) await serve();
  }
}
