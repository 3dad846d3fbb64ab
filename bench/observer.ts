/**
 * Reads a run's commits as a worker does, computes nothing, and times how long after a commit's last byte its release
 * comes: what of applying, writing and syncing the broadcast does not hide.
 */
import { WebSocket } from 'ws';
import { decodeDown, encodeFrame } from '../shared/protocol/codec.js';
import { limits, protocolVersion, subprotocol, type DownMessage, type UpMessage } from '../shared/protocol/messages.js';

/**
 * Milliseconds from the last byte of a commit to its release, for so many steps. @throws Error when the connection
 * closes before
 */
export function observe(url: string, steps: number): Promise<number[]> {
  const socket = new WebSocket(`${url}/worker`, [subprotocol], {
    perMessageDeflate: false,
    maxPayload: limits.frameBytes,
  });
  const waitsMs: number[] = [];
  let [firstLive, lastByteMs] = [Infinity, 0];
  let beating: NodeJS.Timeout | undefined;
  const send = (message: UpMessage): void => {
    const frame = encodeFrame(message);
    socket.send(frame instanceof Uint8Array ? frame : Buffer.concat(frame), () => undefined);
  };
  const hear = (message: DownMessage): void => {
    if (message.type === 'welcome') {
      const { run, generation, step, heartbeatMs } = message;
      firstLive = step + 1;
      beating = setInterval(
        () => send({ type: 'heartbeat', run, generation, step, progress: 0, sentMs: 0, rssBytes: 0, tensors: 0 }),
        heartbeatMs,
      );
    }
    if (message.type === 'commit' || message.type === 'commitChunk') lastByteMs = performance.now();
    // Earlier commits came out of the log, with their releases right behind them.
    if (message.type === 'release' && message.step >= firstLive) waitsMs.push(performance.now() - lastByteMs);
  };
  socket.on('open', () =>
    send({
      type: 'hello',
      run: '',
      generation: 0,
      step: 0,
      protocol: protocolVersion,
      worker: 'observer',
      recipeDigest: null,
      held: null,
      device: { backend: 'wasm', gpu: null, threads: 1, host: 'bench', pid: process.pid, version: '0' },
    }),
  );
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => clearInterval(beating));
    socket.on('close', (code, reason) =>
      reject(new Error(`the observer was closed (${code} ${reason.toString()}) after ${waitsMs.length} steps`)),
    );
    socket.on('message', (data: Buffer) => {
      hear(decodeDown(data).message);
      if (waitsMs.length < steps) return;
      resolve(waitsMs);
      socket.terminate();
    });
  });
}
