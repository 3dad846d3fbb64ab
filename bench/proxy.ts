/**
 * A TCP proxy that misbehaves: it stands between workers and their coordinator and delays, throttles, cuts,
 * half-closes, swallows, corrupts or truncates what it forwards. Only the connections of workers are disturbed,
 * downloads pass as they are.
 */
import { createServer, connect, type Server, type Socket } from 'node:net';

export type Direction = 'up' | 'down';

/**
 * What happens once `afterBytes` have been forwarded in one direction. `truncate`: the next thousand bytes are left
 * out.
 */
export interface Cut {
  readonly how: 'reset' | 'half-close' | 'swallow' | 'corrupt' | 'truncate';
  readonly direction: Direction;
  readonly afterBytes: number;
}

const truncatedBytes = 1000;

export interface Behaviour {
  /** For every piece, in each direction. */
  readonly delayMs?: number;
  readonly bytesPerSecond?: number;
  readonly cut?: Cut;
}

export class Proxy {
  /** What was done, in order. */
  readonly fired: string[] = [];
  readonly #target: number;
  readonly #behaviourOf: (connection: number) => Behaviour;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #workers = 0;

  /** @param behaviourOf asked for each connection of a worker, counted from 0 */
  constructor(target: number, behaviourOf: (connection: number) => Behaviour) {
    this.#target = target;
    this.#behaviourOf = behaviourOf;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  get connections(): number {
    return this.#workers;
  }

  /** On loopback. */
  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => {
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(client: Socket): void {
    const server = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      // A peer that is gone is the point of it.
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    }
    client.once('data', (first) => {
      const isWorker = first.toString('latin1', 0, 11) === 'GET /worker';
      const behaviour = isWorker ? this.#behaviourOf(this.#workers++) : {};
      const pair = { client, server };
      this.#forward('up', pair, behaviour, first);
      this.#forward('down', pair, behaviour);
    });
  }

  #forward(direction: Direction, pair: { client: Socket; server: Socket }, behaviour: Behaviour, first?: Buffer): void {
    const [from, to] = direction === 'up' ? [pair.client, pair.server] : [pair.server, pair.client];
    const cut = behaviour.cut?.direction === direction ? behaviour.cut : null;
    const paced = new Pace(behaviour);
    let forwarded = 0;
    let isSwallowing = false;
    const take = (data: Buffer): void => {
      if (isSwallowing) return;
      const isDue = cut !== null && forwarded + data.length > cut.afterBytes && forwarded <= cut.afterBytes;
      const whole = isDue ? this.#cut(cut, { data, at: cut.afterBytes - forwarded }, { from, to }) : data;
      forwarded += data.length;
      isSwallowing = isDue && cut.how === 'swallow';
      if (whole.length > 0) paced.send(from, to, whole);
    };
    if (first !== undefined) take(first);
    from.on('data', take);
    from.on('end', () => void paced.idle().then(() => to.end()));
    from.on('close', () => {
      if (!isSwallowing) void paced.idle().then(() => to.destroy());
    });
  }

  /** What is still forwarded of the piece in which the cut falls. */
  #cut(
    { how, direction, afterBytes }: Cut,
    { data, at }: { data: Buffer; at: number },
    { from, to }: { from: Socket; to: Socket },
  ): Buffer {
    this.fired.push(`${how} ${direction} after ${afterBytes}`);
    if (how === 'corrupt') {
      const changed = Buffer.from(data);
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      return changed;
    }
    if (how === 'truncate') return Buffer.concat([data.subarray(0, at), data.subarray(at + truncatedBytes)]);
    if (how === 'reset') setImmediate(() => [from, to].forEach((socket) => socket.resetAndDestroy()));
    if (how === 'half-close') setImmediate(() => to.end());
    return data.subarray(0, at);
  }
}

/** Delay and rate of one direction; pieces stay in order. */
class Pace {
  readonly #behaviour: Behaviour;
  #last: Promise<void> = Promise.resolve();

  constructor(behaviour: Behaviour) {
    this.#behaviour = behaviour;
  }

  send(from: Socket, to: Socket, data: Buffer): void {
    const { delayMs = 0, bytesPerSecond } = this.#behaviour;
    const waitMs = bytesPerSecond === undefined ? 0 : (data.length / bytesPerSecond) * 1000;
    if (delayMs === 0 && waitMs === 0) {
      if (!to.write(data)) {
        from.pause();
        to.once('drain', () => from.resume());
      }
      return;
    }
    const dueMs = Date.now() + delayMs;
    // At a given rate no more is taken in than goes out.
    if (waitMs > 0) from.pause();
    this.#last = this.#last.then(async () => {
      await sleep(Math.max(0, dueMs - Date.now()) + waitMs);
      to.write(data);
      if (waitMs > 0) from.resume();
    });
  }

  idle(): Promise<void> {
    return this.#last;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
