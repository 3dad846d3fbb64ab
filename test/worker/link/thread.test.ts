/** The link on its own thread, as it is built: needs `npm run build`. */
import { afterAll, describe, expect, it } from 'vitest';
import type * as Built from '../../../bench/built.js';
import { FakeCompute, FakeCoordinator, device, specOf, temporaryFolder } from '../fakes.js';

const built = new URL('../../../dist/bench/built.js', import.meta.url).href;
const coordinator = new FakeCoordinator({ spec: specOf(300_001) });
afterAll(() => coordinator.close());

describe('link thread', () => {
  it('beats, sends and applies while the main thread computes', async () => {
    const { runWorker } = (await import(built)) as typeof Built;
    coordinator.heartbeatMs = 10;
    const url = await coordinator.listen();
    const compute = new FakeCompute();
    const blocked: { from: number; to: number }[] = [];
    compute.onGradient = (inputs) => {
      if (inputs[0] !== 0) return;
      const from = performance.now();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
      blocked.push({ from, to: performance.now() });
    };
    const exit = runWorker({
      url,
      token: null,
      cacheFolder: temporaryFolder(),
      threads: 1,
      local: false,
      waitSeconds: 5,
      log: () => undefined,
      backend: { ...device, name: 'wasm', open: async () => compute },
    });
    const peer = await coordinator.worker();
    await peer.next('hello');
    coordinator.welcome(peer);
    await peer.next('ready');
    for (let id = 1; id <= 2; id++) {
      coordinator.lease(peer, { id });
      const { message } = await peer.next('offer');
      expect(message.stateHash).toBe(coordinator.replica.hashState());
      peer.send({ type: 'pull', ...coordinator.envelope(), lease: id });
      const bytes = new Uint8Array(message.bytes);
      for (let received = 0; received < bytes.length;) {
        const chunk = await peer.next('chunk');
        bytes.set(chunk.payload, chunk.message.offset);
        received += chunk.payload.length;
      }
      coordinator.commit(peer, bytes, message.momentCounts);
      coordinator.release(peer);
    }
    const beats = peer.received.flatMap(({ message }) => (message.type === 'heartbeat' ? [message.sentMs] : []));
    const { from, to } = blocked.at(-1) ?? { from: 0, to: 0 };
    expect(beats.filter((sentMs) => sentMs > from && sentMs < to).length).toBeGreaterThan(1);
    peer.send({ type: 'end', ...coordinator.envelope(), reason: 'done', text: '' });
    expect(await exit).toBe(0);
  });
});
