/** A small student, a compute that is a formula, and a coordinator that does what the test tells it. */
import type { Plane } from '../../shared/exchange/plane.js';
import { socketPlane } from '../../shared/exchange/planes/socket.js';
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { mkdtempSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocketServer, type WebSocket } from 'ws';
import { decodeUp, encodeFrame, sendFrame } from '../../shared/protocol/codec.js';
import {
  limits,
  type Device,
  type DownMessage,
  type Lease,
  type Up,
  type UpMessage,
} from '../../shared/protocol/messages.js';
import { checksumOf, pieceHashes } from '../../shared/replica/piece-hash.js';
import { split } from '../../shared/replica/pieces.js';
import type { Manifest } from '../../shared/data/manifest.js';
import type { StudentSpec } from '../../shared/models/student-spec.js';
import type { Task } from '../../shared/task.js';
import { recipeSchema, type Recipe } from '../../shared/recipe/schema.js';
import { planReplica } from '../../shared/replica/plan.js';
import { Replica } from '../../shared/replica/replica.js';
import type { ComputeBackend, MicroBatch, RunCompute } from '../../worker/compute/contract.js';
import { Link } from '../../worker/link/link.js';
import type { LinkStart, ToTrainer } from '../../worker/threads/messages.js';
import type { LinkPort } from '../../worker/trainer/shell.js';

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'stillhouse-worker-'));
}

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** One trained tensor of `size` values and one norm layer of 2 channels. */
export function specOf(size: number): StudentSpec {
  return {
    topology: {},
    weights: [
      { name: 'dense/kernel', layer: 'dense', shape: [size], kind: 'trained' },
      { name: 'norm/moving_mean', layer: 'norm', shape: [2], kind: 'mean', momentum: 0.9 },
      { name: 'norm/moving_variance', layer: 'norm', shape: [2], kind: 'variance', momentum: 0.9 },
    ],
    inputShape: [1],
    classes: 2,
  };
}

export function initialWeights(spec: StudentSpec): Map<string, Float32Array> {
  return new Map(
    spec.weights.map(({ name, shape, kind }) => [
      name,
      Float32Array.from({ length: shape[0] ?? 0 }, (_, i) => (kind === 'variance' ? 1 : Math.sin(i))),
    ]),
  );
}

export function recipeOf(overrides: Record<string, unknown> = {}): Recipe {
  return recipeSchema.parse({
    student: { builtin: 'mlp' },
    losses: { crossEntropy: { weight: 1 } },
    data: { train: { format: 'npy', inputs: 'x.npy' } },
    optimizer: { name: 'sgd', learningRate: 0.5 },
    batch: { size: 10, micro: 3 },
    epochs: 1,
    ...overrides,
  });
}

export const manifest: Manifest = {
  train: { samples: 40, shape: [1], dtype: 'float32', shards: [] },
  eval: { samples: 8, shape: [1], dtype: 'float32', shards: [] },
  classes: 2,
  preprocess: null,
};

/**
 * Gradient i of a micro-batch: sum over its samples of sin(id + i) times the weight, plus 1. Rows are the samples' ids.
 */
export class FakeCompute implements RunCompute {
  readonly task: Task = 'classes';
  readonly targetMeans: readonly number[] = [];
  readonly specialties: ReadonlyMap<string, readonly number[]> = new Map();
  /** What happened, in order. */
  readonly events: string[] = [];
  weights = new Float32Array(0);
  /** @param hasNorm whether the student is that of specOf, with its norm layer */
  constructor(
    private readonly hasNorm = true,
    readonly classes = 2,
  ) {}

  /** Called before each gradient. */
  onGradient: (inputs: Float32Array) => void = () => undefined;
  readonly student: RunCompute['student'] = {
    load: (weights) => {
      this.events.push('load');
      this.weights = Float32Array.from(weights);
    },
    gradients: async ({ inputs, rows }, step, out) => {
      this.onGradient(inputs);
      this.events.push(`gradients ${Array.from(inputs).join(',')}`);
      if (inputs.includes(-1)) return { hasGradient: false, sums: { samples: rows }, moments: null };
      const divisor = step.divisors.crossEntropy ?? 1;
      for (let i = 0; i < out.length; i++)
        out[i] = inputs.reduce((sum, id) => sum + (Math.sin(id + i) * (this.weights[i] ?? 0) + 1) / divisor, 0);
      const mean = inputs.reduce((sum, id) => sum + id, 0) / rows;
      const m2 = inputs.reduce((sum, id) => sum + (id - mean) ** 2, 0);
      return {
        hasGradient: true,
        sums: { samples: rows, crossEntropy: mean * rows, 'crossEntropy.count': rows },
        moments: this.hasNorm ? { counts: [rows], values: Float64Array.from([mean, mean + 1, m2, m2]) } : null,
      };
    },
    outputs: async (inputs) => ({
      logits: Float32Array.from({ length: inputs.length * this.classes }, (_, i) =>
        i % this.classes === (inputs[Math.floor(i / this.classes)] ?? 0) % 2 ? 1 : 0,
      ),
      exits: new Map(),
    }),
  };

  async trainBatch(epoch: number, from: number, to: number, _dropped?: readonly string[]): Promise<MicroBatch> {
    this.events.push(`batch ${epoch}:${from}-${to}`);
    return batchOf(from, to);
  }

  async evalBatch(from: number, to: number): Promise<MicroBatch> {
    return batchOf(from, to);
  }

  async teacherLogits(
    batch: MicroBatch,
    _dropped?: readonly string[],
  ): Promise<{ teachers: ReadonlyMap<string, Float32Array>; ensemble: Float32Array }> {
    const wrong = Float32Array.from([...batch.inputs].flatMap(() => [1, 0]));
    return {
      teachers: new Map([['wide', wrong]]),
      ensemble: (await this.student.outputs(batch.inputs, batch.rows)).logits,
    };
  }

  tensors(): number {
    return 3;
  }

  dispose(): void {
    this.events.push('dispose');
  }
}

/** Sample id as input; label 0 for even and 1 for odd ids. */
function batchOf(from: number, to: number): MicroBatch {
  const inputs = Float32Array.from({ length: to - from }, (_, i) => from + i);
  return { rows: to - from, inputs, targets: { labels: Int32Array.from(inputs, (id) => id % 2), soft: null } };
}

export const device: Device & Pick<ComputeBackend, 'provider'> = {
  backend: 'wasm',
  provider: 'cpu',
  gpu: null,
  threads: 1,
  host: 'here',
  pid: 1,
  version: '0',
};

export function leaseOf(overrides: Partial<Lease> = {}): Lease {
  return {
    id: 1,
    kind: 'train',
    step: 0,
    epoch: 0,
    from: 0,
    to: 10,
    microBatches: 4,
    block: { level: 2, index: 0 },
    divisors: { crossEntropy: 10 },
    scalars: {},
    ...overrides,
  };
}

/** The coordinator's end of one worker's socket. */
export class Peer {
  readonly received: { message: UpMessage; payload: Uint8Array }[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  private wake: () => void = () => undefined;
  private read = 0;

  constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer) => {
      this.received.push(decodeUp(data));
      this.wake();
    });
    this.closed = new Promise((resolve) =>
      socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })),
    );
  }

  send(message: DownMessage, payload?: Uint8Array): void {
    sendFrame(this.socket, encodeFrame(message, payload));
  }

  /** The next message of this type that was not read yet; others before it are passed over. */
  async next<T extends UpMessage['type']>(type: T): Promise<{ message: Up<T>; payload: Uint8Array }> {
    for (;;) {
      while (this.read < this.received.length) {
        const frame = this.received[this.read++];
        if (frame?.message.type === type) return frame as { message: Up<T>; payload: Uint8Array };
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}

export interface FakeCoordinatorOptions {
  readonly spec?: StudentSpec;
  readonly recipe?: Recipe;
  readonly token?: string;
  readonly port?: number;
}

/** Serves artifacts and sockets on loopback. Holds a replica of its own and commits what it is given. */
export class FakeCoordinator {
  readonly spec: StudentSpec;
  readonly recipe: Recipe;
  readonly replica: Replica;
  readonly artifacts = new Map<string, Uint8Array>();
  readonly upgrades: { authorization: string | undefined; protocol: string | undefined }[] = [];
  step = 0;
  run = 'run-1';
  generation = 1;
  nonce = 'n1';
  heartbeatMs = 50;
  /** Called before each artifact is served. */
  onRequest: () => void = () => undefined;
  private readonly server: Server;
  private readonly sockets: WebSocketServer;
  private readonly peers: Peer[] = [];
  private taken = 0;
  private wake: () => void = () => undefined;

  constructor(private readonly options: FakeCoordinatorOptions = {}) {
    this.spec = options.spec ?? specOf(6);
    this.recipe = options.recipe ?? recipeOf();
    this.replica = new Replica(planReplica(this.spec, this.recipe.optimizer), { slots: 2 });
    this.replica.loadWeights(initialWeights(this.spec));
    this.server = createServer((request, response) => {
      this.onRequest();
      const bytes = this.artifacts.get(request.url?.split('/').pop() ?? '');
      response.writeHead(bytes === undefined ? 404 : 200, { 'content-length': bytes?.length ?? 0 }).end(bytes);
    });
    this.sockets = new WebSocketServer({ noServer: true, maxPayload: limits.frameBytes });
    this.server.on('upgrade', (request, socket, head) => {
      const { authorization } = request.headers;
      this.upgrades.push({ authorization, protocol: request.headers['sec-websocket-protocol'] });
      if (options.token !== undefined && authorization !== `Bearer ${options.token}`) {
        const body = JSON.stringify({ error: 'the token is wrong' });
        return void socket.end(
          `HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
        );
      }
      this.sockets.handleUpgrade(request, socket, head, (accepted) => {
        this.peers.push(new Peer(accepted));
        this.wake();
      });
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(this.options.port ?? 0, '127.0.0.1', resolve));
    return `ws://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** The next worker that connects. */
  async worker(): Promise<Peer> {
    while (this.peers.length <= this.taken) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    const peer = this.peers[this.taken++];
    if (peer === undefined) throw new Error('no worker has connected');
    return peer;
  }

  add(bytes: Uint8Array): { sha256: string; bytes: number } {
    const sha256 = sha256Of(bytes);
    this.artifacts.set(sha256, bytes);
    return { sha256, bytes: bytes.length };
  }

  envelope(): { run: string; generation: number; step: number } {
    return { run: this.run, generation: this.generation, step: this.step };
  }

  /** Welcome with a snapshot of what this coordinator holds, or none. */
  /** @param options `memory`: what it says to have read in the file that the worker offers */
  welcome(peer: Peer, options: { snapshot?: boolean; memory?: string } = {}): void {
    const json = (value: unknown): { sha256: string; bytes: number } => this.add(Buffer.from(JSON.stringify(value)));
    const fresh = new Replica(this.replica.plan, { slots: 0 });
    fresh.loadWeights(initialWeights(this.spec));
    const snapshot =
      options.snapshot === false
        ? null
        : { ...this.add(Uint8Array.from(this.replica.state())), step: this.step, receipt: 'of a snapshot' };
    peer.send({
      type: 'welcome',
      ...this.envelope(),
      nonce: this.nonce,
      worker: 'w1',
      recipe: this.recipe,
      recipeDigest: sha256Of(Buffer.from(JSON.stringify(this.recipe))),
      student: json(this.spec),
      teachers: [],
      manifest: json(manifest),
      initial: this.add(Uint8Array.from(fresh.state())),
      snapshot,
      heartbeatMs: this.heartbeatMs,
      ...(options.memory === undefined ? {} : { memory: options.memory }),
    });
  }

  lease(peer: Peer, overrides: Partial<Lease> = {}): void {
    peer.send({ type: 'lease', ...this.envelope(), lease: leaseOf({ step: this.step, ...overrides }) });
  }

  /** Applies a contribution to the own replica and tells a worker to hold it; `release` completes it. */
  commit(
    peer: Peer,
    bytes: Uint8Array,
    momentCounts: number[],
    options: { corrupt?: boolean; plane?: Plane } = {},
  ): void {
    this.replica.slotBytes(0).set(bytes);
    const digest = this.replica.hashSlot(0);
    const scalars = {
      skip: false,
      update: this.step + 1,
      clip: 1,
      groups: [{ learningRate: 0.5, weightDecay: 0, momentum: 0 }],
      ema: 0,
    };
    const sent = Uint8Array.from(bytes);
    if (options.corrupt === true) sent[3] = (sent[3] ?? 0) ^ 1;
    const isInline = bytes.length <= limits.pieceBytes;
    peer.send(
      { type: 'commit', ...this.envelope(), scalars, compression: 'none', bytes: bytes.length, digest, momentCounts },
      isInline ? sent : undefined,
    );
    if (!isInline) {
      const { plane = socketPlane } = options;
      for (const { offset, length } of split(bytes.length, plane.chunkBytes)) {
        const bulk = sent.subarray(offset, offset + length);
        const at = { offset, total: bytes.length, checksum: checksumOf(pieceHashes(bulk)) };
        const header = { type: 'commitChunk', ...this.envelope(), ...at } as const;
        const chunk = plane.send(header, bulk);
        if (chunk === null) throw new Error('a chunk was not taken');
        peer.send(chunk.header, chunk.payload);
      }
    }
    this.replica.apply(scalars, { slot: 0, moments: this.replica.readMoments(0, momentCounts) });
  }

  release(peer: Peer, stateHash = this.replica.hashState()): void {
    peer.send({ type: 'release', ...this.envelope(), stateHash, receipt: `of step ${this.step}` });
    this.step++;
  }

  async close(): Promise<void> {
    for (const peer of this.peers) peer.socket.terminate();
    this.sockets.close();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** The link on this thread, in place of its own. */
export function startLinkHere(start: LinkStart, extra: Partial<ConstructorParameters<typeof Link>[0]> = {}): LinkPort {
  const listeners: ((message: ToTrainer) => void)[] = [];
  const toTrainer = (message: ToTrainer): void =>
    void setImmediate(() => listeners.forEach((listener) => listener(message)));
  const link = new Link({ ...start, toTrainer, backOffMs: { first: 1, longest: 5 }, ...extra });
  const failed = new Promise<never>((_resolve, reject) => {
    void link.run().then(toTrainer, reject);
  });
  failed.catch(() => undefined);
  return {
    post: (message) => void setImmediate(() => link.hear(message)),
    onMessage: (listener) => void listeners.push(listener),
    failed,
    close: async () => undefined,
  };
}
