/** What strangers and coordinators do over a socket: handshakes and HTTP at the door, and artifacts that are none. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer, connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listen } from '../../../coordinator/server/server.js';
import { subprotocol } from '../../../shared/protocol/messages.js';
import { sha256Of } from '../../../shared/sha256.js';
import { ArtifactCache } from '../../../worker/link/artifact-cache.js';
import { CoordinatorClient } from '../../../worker/link/coordinator-client.js';
import { mutateBytes, mutateText, pick } from '../mutate.js';
import type { Target } from '../target.js';

const token = 't'.repeat(43);

const requests = [
  `GET /worker HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: ${subprotocol}\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  `GET /artifacts/${'a'.repeat(64)} HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes=0-5\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  'GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
  `PUT /labels/0/1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nAuthorization: Bearer ${token}\r\n\r\nhello`,
];

/** How long a stranger that says nothing more is kept by the case, in milliseconds. */
const patienceMs = 20;

export const door: Target = {
  name: 'door',
  share: 0.5,
  open: async () => {
    const errors: unknown[] = [];
    const admission = await listen({
      host: '127.0.0.1',
      port: 0,
      credentials: () => [{ token, role: 'worker', untilMs: null }],
      find: (key) => (key === 'a'.repeat(64) ? { bytes: Buffer.from('an artifact') } : undefined),
      isReady: () => true,
      onWorker: (socket) => {
        socket.on('error', () => undefined);
        socket.terminate();
      },
      onError: (error) => errors.push(error),
    });
    return {
      run: async (random) => {
        const request = pick(random, requests);
        const sent =
          random.below(2) === 0 ? Buffer.from(mutateText(request, random)) : mutateBytes(Buffer.from(request), random);
        const socket = connect(admission.port, '127.0.0.1');
        socket.on('error', () => undefined).resume();
        socket.end(sent);
        await Promise.race([once(socket, 'close'), sleep(patienceMs)]);
        socket.destroy();
        const [error] = errors.splice(0);
        if (error !== undefined) throw error instanceof Error ? error : new Error(JSON.stringify(error));
      },
      close: () => admission.close(),
    };
  },
};

const content = Buffer.alloc(2000, 7);
const sha256 = sha256Of(content);

export const artifacts: Target = {
  name: 'artifacts',
  share: 0.5,
  open: async (folder) => {
    let answer: Buffer = Buffer.alloc(0);
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(answer));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const head = `HTTP/1.1 200 OK\r\nContent-Length: ${content.length}\r\nETag: "${sha256}"\r\n\r\n`;
    return {
      run: async (random) => {
        const sound = Buffer.concat([Buffer.from(mutateText(head, random)), content]);
        answer = random.below(2) === 0 ? sound : mutateBytes(sound, random);
        const cache = new ArtifactCache({
          cacheFolder: folder,
          client: new CoordinatorClient({ url, token }),
          attempts: 1,
          retryMs: 1,
          idleMs: 100,
        });
        // Nothing but the artifact ever lies there, and it lies there from the first sound answer on.
        const wanted =
          random.below(2) === 0 ? { sha256, bytes: content.length } : { sha256: sha256Of(answer), bytes: 50 };
        const ended = await cache.fetch(wanted).then(
          () => (wanted.bytes === 50 ? new Error('an artifact that was not there') : null),
          (error: unknown) => error,
        );
        const odd = readdirSync(join(folder, 'artifacts')).filter((name) => name !== sha256);
        if (odd.length > 0) throw new Error(`left in the cache: ${odd.join(', ')}`);
        if (ended !== null) throw ended instanceof Error ? ended : new Error('an error that is none');
      },
      close: async () => void server.close(),
    };
  },
};
