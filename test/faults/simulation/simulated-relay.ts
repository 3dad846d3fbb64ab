/**
 * A relay's process in virtual time: the real run of a relay, between a link upwards that behaves as the real one does and
 * the simulated workers below. It dies, is cut off, falls silent, repeats itself and holds bytes back by plan.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RelayRun } from '../../../coordinator/relay/relay-run.js';
import { goesOn } from '../../../coordinator/relay/relay.js';
import type { RelayedContribution, RelayedRun, Upstream } from '../../../coordinator/relay/upstream.js';
import type { Manifest } from '../../../shared/data/manifest.js';
import { decodeDown, encodeFrame, type Frame } from '../../../shared/protocol/codec.js';
import {
  closeCodes,
  protocolVersion,
  type Device,
  type Down,
  type Up,
  type UpMessage,
} from '../../../shared/protocol/messages.js';
import { checksumOf, hashOf } from '../../../shared/replica/piece-hash.js';
import type { Replica } from '../../../shared/replica/replica.js';
import { relaySlots } from '../../../shared/replica/slot-counts.js';
import { ReplicaFold } from '../../../worker/link/replica-fold.js';
import { Control } from '../../../worker/threads/control.js';
import { giveReplica, planOf, recipe as usualRecipe, spec, takeReplica } from './arithmetic.js';
import type { RelayPlan, RelayStrike } from './plan.js';
import type { Coordinator, WorkerWorld } from './simulated-worker.js';
import { ProcessTimers } from './virtual-time.js';
import { Wire } from './wire.js';

export interface RelayWorld extends WorkerWorld {
  readonly manifest: Manifest;
  /** An error that no schedule accounts for. */
  readonly onBug: (error: unknown) => void;
}

const device: Device = { host: 'simulated', pid: 1, backend: 'wasm', version: '1', gpu: null, threads: 1 };
const heartbeatMs = 1000;
/** As many micro-batches as a unit of a plan may have. */
const recipe = { ...usualRecipe, batch: { ...usualRecipe.batch, size: 64, micro: 1 } };

export class SimulatedRelay {
  readonly #name: string;
  readonly #plan: RelayPlan;
  readonly #world: RelayWorld;
  readonly #lives: RelayLife[] = [];
  /** Null while no process lives. */
  #life: RelayLife | null = null;

  constructor(name: string, plan: RelayPlan, world: RelayWorld) {
    [this.#name, this.#plan, this.#world] = [name, plan, world];
    world.clock.in(0, () => this.#start());
    for (const strike of plan.strikes) world.clock.in(strike.atMs, () => this.#strike(strike));
  }

  free(): void {
    for (const life of this.#lives) life.free();
  }

  /** Whom a worker with this relay's address, and the coordinator's after it, comes to; null: nobody for now. */
  whom(): Coordinator | null {
    if (this.#life === null) return this.#world.coordinator();
    return this.#life.isServing ? this.#life : null;
  }

  #start(): void {
    const process = `${this.#name}.${this.#lives.length}`;
    const life = new RelayLife(process, this.#plan, this.#world, (downMs) => this.#end(life, downMs));
    this.#lives.push(life);
    this.#life = life;
    life.connectUp();
  }

  /** The process ends, and another takes its place; null: none does. */
  #end(life: RelayLife, downMs: number | null): void {
    if (this.#life !== life) return;
    this.#life = null;
    life.crash();
    if (downMs !== null) this.#world.clock.in(downMs, () => this.#start());
  }

  #strike({ kind, downMs }: RelayStrike): void {
    const life = this.#life;
    if (life === null) return;
    this.#world.fired(kind);
    if (kind === 'killRelay') return this.#end(life, downMs);
    if (kind === 'cutRelay') return life.cut();
    if (kind === 'muteRelay') return life.mute();
    life.stall(downMs);
  }
}

/** The connection upwards. */
interface Above {
  readonly wire: Wire;
  readonly to: Coordinator;
  isOpen: boolean;
  welcome: Down<'welcome'> | null;
  isReady: boolean;
  readonly leases: Set<number>;
  readonly kept: Map<number, Uint8Array>;
}

class RelayLife implements Coordinator {
  readonly #process: string;
  readonly #plan: RelayPlan;
  readonly #world: RelayWorld;
  readonly #onEnd: (downMs: number | null) => void;
  readonly #timers: ProcessTimers;
  readonly #replica: Replica;
  readonly #fold: ReplicaFold;
  readonly #wires = new Set<Wire>();
  /** States that were downloaded from above, as the cache of a real relay has them. */
  readonly #states = new Map<string, Uint8Array>();
  #nonce: string | null = null;
  #above: Above | null = null;
  #run: RelayRun | null = null;
  #joined: RelayedRun | null = null;
  #probe: Up<'ready'>['probe'] | null = null;
  #progress = 0;
  #runs = 0;
  #stalledUntilMs = 0;

  constructor(process: string, plan: RelayPlan, world: RelayWorld, onEnd: (downMs: number | null) => void) {
    [this.#process, this.#plan, this.#world, this.#onEnd] = [process, plan, world, onEnd];
    this.#timers = new ProcessTimers(world.clock);
    const { slots } = relaySlots(planOf(world.compression), recipe.batch);
    this.#replica = takeReplica(world.compression, slots);
    this.#fold = new ReplicaFold(this.#replica, new Control(), slots - 1);
  }

  /** Whether a run is joined above. */
  get isServing(): boolean {
    return this.#run !== null;
  }

  free(): void {
    giveReplica(this.#replica);
  }

  // What workers below see

  connect(wire: Wire): void {
    this.#wires.add(wire);
    this.#run?.connect(wire);
  }

  download(sha256: string): Uint8Array | undefined {
    return this.#states.get(sha256);
  }

  // What is done to it

  crash(): void {
    this.#timers.isGone = true;
    const above = this.#above;
    this.#above = null;
    if (above !== null) {
      above.isOpen = false;
      above.wire.break(this.#world.random.below(50));
    }
    for (const wire of this.#wires) wire.crash();
  }

  cut(): void {
    if (this.#above !== null) this.#leave(this.#above);
  }

  mute(): void {
    if (this.#above !== null) this.#above.wire.isMute = true;
  }

  /** The bytes of its contributions do not come when they are asked for. */
  stall(ms: number): void {
    this.#stalledUntilMs = this.#world.clock.nowMs + ms;
  }

  // The link upwards

  connectUp(): void {
    if (this.#above !== null) return;
    const { clock, random, latencyMs } = this.#world;
    const to = this.#world.coordinator();
    if (to === null) return void this.#timers.after(500, () => this.connectUp());
    const wire = new Wire({
      origin: this.#process.split('.')[0] ?? '',
      ...{ clock, random, latencyMs },
      onFrame: (frame) => this.#hear(above, frame),
      onClosed: (code) => this.#closed(above, code),
    });
    const above: Above = {
      ...{ wire, to, isOpen: true, welcome: null, isReady: false },
      leases: new Set(),
      kept: new Map(),
    };
    this.#above = above;
    to.connect(wire);
    const { step, stateHash, receipt } = this.#fold;
    const held = this.#nonce === null ? null : { nonce: this.#nonce, step, stateHash, receipt };
    const hello = { type: 'hello', run: '', generation: 0, step, protocol: protocolVersion, device, held } as const;
    this.#send(above, { ...hello, worker: this.#process, recipeDigest: null });
  }

  #closed(above: Above, code: number | null): void {
    above.isOpen = false;
    if (this.#above !== above) return;
    this.#above = null;
    this.#fold.forgetHeld();
    this.#run?.disconnected();
    if (code === closeCodes.refused) {
      this.#world.fired('relayTurnedAway');
      return this.#onEnd(null);
    }
    this.#timers.after(100 + this.#world.random.below(3000), () => this.connectUp());
  }

  #leave(above: Above): void {
    this.#closed(above, null);
    above.wire.break(0);
  }

  #send({ wire, isOpen }: Above, message: UpMessage, payload?: Uint8Array): void {
    if (isOpen) wire.up(encodeFrame(message, payload));
  }

  #envelope({ welcome }: Above): { readonly run: string; readonly generation: number; readonly step: number } {
    return { run: welcome?.run ?? '', generation: welcome?.generation ?? 0, step: this.#fold.step };
  }

  #heartbeat(above: Above): void {
    if (!above.isOpen || this.#timers.isGone) return;
    const [progress, sentMs, rssBytes, tensors] = [this.#progress, this.#world.clock.nowMs, 0, 0];
    this.#send(above, { type: 'heartbeat', ...this.#envelope(above), progress, sentMs, rssBytes, tensors });
    this.#timers.after(heartbeatMs, () => this.#heartbeat(above));
  }

  #hear(above: Above, frame: Frame): void {
    if (!above.isOpen) return;
    const { message, payload } = decodeDown(frame);
    switch (message.type) {
      case 'welcome':
        return this.#welcome(above, message);
      case 'lease':
        above.leases.add(message.lease.id);
        return this.#run?.leased(message.lease);
      case 'cancel':
        above.leases.delete(message.lease);
        above.kept.delete(message.lease);
        return this.#run?.cancelled(message.lease);
      case 'pull':
        return this.#pull(above, message);
      case 'commit':
        this.#fold.hold(message, payload);
        if (this.#fold.held === message) this.#run?.hold(message);
        return;
      case 'release':
        return this.#release(above, message);
      case 'resync':
        this.#nonce = null;
        return this.#leave(above);
      case 'end':
        return this.#ended(above, message);
      case 'pong':
        return;
      case 'commitChunk':
      case 'took':
        throw new Error(`${message.type} to a simulated relay, whose commits fit one frame and which shares no file`);
      default: {
        const unknown: never = message;
        throw new Error(`message ${JSON.stringify(unknown)}`);
      }
    }
  }

  #welcome(above: Above, welcome: Down<'welcome'>): void {
    const { snapshot, nonce } = welcome;
    // A real relay would write a snapshot of what it holds for its workers. This one has no disk, and fetches one.
    if (snapshot === null && !this.#mayGoOn(welcome)) {
      this.#nonce = null;
      return this.#leave(above);
    }
    if (snapshot !== null) {
      const state = above.to.download(snapshot.sha256);
      // Newer ones have replaced it: the next welcome names another.
      if (state === undefined) return this.#leave(above);
      this.#states.set(snapshot.sha256, state);
      this.#fold.load({ bytes: state.length, copyTo: (target) => target.set(state) }, snapshot);
    }
    [this.#nonce, above.welcome] = [nonce, welcome];
    this.#join(welcome);
    this.#run?.weights();
    this.#heartbeat(above);
    this.#announce(above);
  }

  #mayGoOn(welcome: Down<'welcome'>): boolean {
    return this.#run !== null && goesOn(this.#joined, this.#runOf(welcome));
  }

  #runOf(welcome: Down<'welcome'>): RelayedRun {
    return {
      ...{ welcome, recipe, spec, manifest: this.#world.manifest, replica: this.#replica },
      position: () => ({ step: this.#fold.step, stateHash: this.#fold.stateHash, receipt: this.#fold.receipt }),
    };
  }

  #join(welcome: Down<'welcome'>): void {
    const run = this.#runOf(welcome);
    if (this.#mayGoOn(welcome)) return this.#world.fired('relayGoesOn');
    this.#run?.close('again', 'the run goes on from here').catch(this.#world.onBug);
    [this.#joined, this.#probe] = [run, null];
    this.#run = new RelayRun({
      run,
      upstream: this.#upstream(++this.#runs),
      folder: join(tmpdir(), `simulated-${this.#process}.${this.#runs}`),
      timers: this.#timers,
      memoryFolder: null,
      say: () => undefined,
      fail: this.#world.onBug,
    });
  }

  #release(above: Above, message: Down<'release'>): void {
    const outcome = this.#fold.release(message);
    if (outcome === 'repeated') return;
    if (outcome === 'differs') return this.#world.onBug(new Error('the state of a relay differs'));
    this.#run?.release(message);
    this.#run?.weights();
    this.#announce(above);
  }

  #pull(above: Above, { lease, step }: Down<'pull'>): void {
    const bytes = above.kept.get(lease);
    if (bytes === undefined || this.#world.clock.nowMs < this.#stalledUntilMs) return;
    const [offset, total, checksum] = [0, bytes.length, checksumOf([hashOf(bytes)])];
    this.#send(above, { type: 'chunk', ...this.#envelope(above), step, lease, offset, total, checksum }, bytes);
  }

  /** Its workers are told, and it is started again for whatever comes next. */
  #ended(above: Above, end: Down<'end'>): void {
    above.isOpen = false;
    above.wire.break(0);
    const run = this.#run;
    [this.#above, this.#run] = [null, null];
    run?.tellEnd(end).catch(this.#world.onBug);
    this.#timers.after(3000, () => this.#onEnd(0));
  }

  #announce(above: Above): void {
    const { welcome } = above;
    const probe = this.#probe;
    if (above.isReady || probe === null || welcome === null || this.#fold.step < welcome.step) return;
    above.isReady = true;
    this.#send(above, { type: 'ready', ...this.#envelope(above), stateHash: this.#fold.stateHash, probe });
  }

  // What the run says upwards

  /** @param of number of the run that it is for */
  #upstream(of: number): Upstream {
    const ifCurrent =
      <T extends unknown[]>(use: (...args: T) => void) =>
      (...args: T): void => {
        if (of === this.#runs && !this.#timers.isGone) use(...args);
      };
    return {
      built: ifCurrent((probe) => {
        this.#probe = probe;
        if (this.#above !== null) this.#announce(this.#above);
      }),
      unbuilt: ifCurrent(() => {
        this.#world.fired('unbuilt');
        this.#probe = null;
        if (this.#above !== null) this.#leave(this.#above);
      }),
      contribute: ifCurrent((contribution) => this.#contribute(contribution)),
      fail: ifCurrent(({ teacher, ...failure }) => {
        if (this.#above?.leases.delete(failure.lease) !== true) return;
        const named = teacher === undefined ? {} : { teacher };
        this.#send(this.#above, { type: 'failed', ...this.#envelope(this.#above), ...failure, ...named });
      }),
      needSlots: () => undefined,
      tick: () => void this.#progress++,
      fetch: () => Promise.reject(new Error('simulated workers download from the relay itself')),
      ask: () => Promise.reject(new Error('simulated workers ask for no labels')),
    };
  }

  #contribute({ slot, seconds, sums, momentCounts, ...offered }: RelayedContribution): void {
    const above = this.#above;
    const bytes = slot === null ? new Uint8Array(0) : this.#replica.slotBytes(slot).slice();
    const digest = slot === null ? '0'.repeat(16) : this.#replica.hashSlot(slot);
    const run = this.#run;
    if (slot !== null) this.#timers.after(0, () => run?.giveSlot(slot));
    if (above?.leases.delete(offered.lease) !== true) return;
    above.kept.set(offered.lease, bytes);
    this.#world.fired('relayed');
    const message = {
      ...{ type: 'offer' as const, ...this.#envelope(above), ...offered, bytes: bytes.length, digest },
      ...{ sums: { ...sums }, momentCounts: [...momentCounts], seconds: { ...seconds } },
    };
    const isInline = this.#world.isInline && this.#world.clock.nowMs >= this.#stalledUntilMs;
    for (let times = this.#plan.repeats ? 2 : 1; times > 0; times--)
      this.#send(above, message, isInline && bytes.length > 0 ? bytes : undefined);
  }
}
