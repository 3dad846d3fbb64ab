/** A relay, put together: a worker's link upwards, and what a coordinator serves its workers with downwards. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Relay, type RelayOptions } from '../../coordinator/relay/relay.js';
import type { Upstream } from '../../coordinator/relay/upstream.js';
import { exitCodes, UserError, type ExitCode } from '../../shared/errors.js';
import type { Device, Down } from '../../shared/protocol/messages.js';
import { relaySlots } from '../../shared/replica/slot-counts.js';
import type { WorkerTls } from '../../shared/tls/certificates.js';
import { ArtifactCache } from '../../worker/link/artifact-cache.js';
import { CoordinatorClient } from '../../worker/link/coordinator-client.js';
import type { JoinedRun } from '../../worker/link/joined-run.js';
import { Link, type LinkOptions } from '../../worker/link/link.js';
import { Control } from '../../worker/threads/control.js';
import type { ToLink, ToTrainer } from '../../worker/threads/messages.js';

export interface RelayServing extends Pick<RelayOptions, 'host' | 'port' | 'credentials' | 'tls' | 'memoryFolder'> {
  /** The coordinator's address, or another relay's, and those to go to after it. */
  readonly urls: readonly [string, ...string[]];
  /** What is presented upwards. */
  readonly token: string | null;
  readonly upwardTls?: WorkerTls | undefined;
  readonly cacheFolder: string;
  /** Seconds without a coordinator after which the relay gives up. */
  readonly waitSeconds: number;
  readonly version: string;
  readonly stop: AbortSignal;
  readonly say: (level: 'info' | 'warn', text: string) => void;
  readonly onListening: (port: number) => void;
  /** What a test has otherwise. */
  readonly link?: Partial<Pick<LinkOptions, 'connect' | 'backOffMs' | 'silenceMs'>>;
}

/**
 * Serves until the run ends, or the wait for a coordinator does.
 * @throws UserError with the reason and the exit code for it
 */
export async function serveRelay(options: RelayServing): Promise<ExitCode> {
  return new Serving(options).run();
}

class Serving {
  readonly #options: RelayServing;
  readonly #client: CoordinatorClient;
  readonly #control = new Control();
  readonly #link: Link;
  readonly #relay: Relay;
  readonly #failed: Promise<never>;
  #fail: (error: unknown) => void = () => undefined;
  /** The run that is joined above. */
  #run: JoinedRun | null = null;
  #cache: ArtifactCache;

  constructor(options: RelayServing) {
    this.#options = options;
    const { urls, token, upwardTls, cacheFolder, host, port, credentials, tls, memoryFolder, say } = options;
    const [url, ...further] = urls;
    this.#failed = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
    this.#failed.catch(() => undefined);
    this.#client = new CoordinatorClient({ url, further, token, tls: upwardTls, movesOn: true });
    this.#cache = new ArtifactCache({ cacheFolder, client: this.#client });
    this.#relay = new Relay({
      ...{ host, port, credentials, tls, memoryFolder, say },
      upstream: this.#upstream(),
      scratchFolder: join(cacheFolder, 'relays'),
      fail: (error) => this.#fail(error),
    });
    this.#link = new Link({
      ...{ url, further, token, tls: upwardTls, cacheFolder, waitSeconds: options.waitSeconds, memoryFolder },
      ...options.link,
      device: deviceOf(options),
      plugins: null,
      control: this.#control.buffer,
      slotsOf: (plan, batch) => relaySlots(plan, batch).slots,
      toTrainer: (message) => this.#hear(message),
      observer: {
        onJoined: (welcome, run, cache) => this.#joined(welcome, run, cache),
        onHeld: (commit) => this.#relay.current?.hold(commit),
        onReleased: (release) => this.#relay.current?.release(release),
        onEnd: (end) => this.#relay.ended(end),
      },
    });
  }

  async run(): Promise<ExitCode> {
    const { stop, onListening, say } = this.#options;
    const onStop = (): void => this.#link.hear({ type: 'leave', reason: `stopped (${String(stop.reason)})` });
    onListening(await this.#relay.open());
    stop.addEventListener('abort', onStop);
    if (stop.aborted) onStop();
    let reason = 'the relay ends: connect elsewhere';
    try {
      const { exitCode, message } = await Promise.race([this.#link.run(), this.#failed]);
      if (exitCode !== exitCodes.done && exitCode !== exitCodes.stopped)
        throw new UserError(message ?? 'the relay ended', exitCode);
      if (message !== null) say('info', message);
      return exitCode;
    } catch (error) {
      reason = `the relay failed: ${error instanceof Error ? error.message : String(error)}`;
      this.#link.hear({ type: 'leave', reason });
      throw error;
    } finally {
      stop.removeEventListener('abort', onStop);
      await this.#relay.close(reason);
    }
  }

  #joined(welcome: Down<'welcome'>, run: JoinedRun, cache: ArtifactCache): void {
    this.#run = run;
    this.#cache = cache;
    const { begin, fold } = run;
    cache.announce([
      ...[welcome.student, welcome.manifest, welcome.initial, ...(welcome.snapshot === null ? [] : [welcome.snapshot])],
      ...welcome.teachers.flatMap(({ files }) => files),
    ]);
    const goesOn = this.#relay.joined({
      ...{ welcome, recipe: begin.recipe, spec: begin.spec, manifest: begin.manifest, replica: fold.replica },
      position: () => ({ step: fold.step, stateHash: fold.stateHash, receipt: fold.receipt }),
    });
    if (welcome.traced === true)
      this.#options.say('info', 'the run is traced: its trace ends at this relay, and shows no worker below it');
    // Nobody below is ready before it has come again.
    if (!goesOn) run.probe = null;
  }

  /** What the link tells whoever computes. */
  #hear(message: ToTrainer): void {
    const { current } = this.#relay;
    switch (message.type) {
      case 'lease':
        return current?.leased(message.lease);
      case 'cancel':
        return current?.cancelled(message.lease);
      case 'weights':
        return current?.weights();
      case 'disconnected':
        return current?.disconnected();
      case 'slot':
        return message.runNumber === this.#run?.runNumber ? current?.giveSlot(message.slot) : undefined;
      case 'log':
        return this.#options.say('info', message.text);
      case 'begin':
      case 'fetched':
      case 'fetchFailed':
      case 'end':
        return;
      default: {
        const unknown: never = message;
        throw new Error(`unknown message ${JSON.stringify(unknown)}`);
      }
    }
  }

  /** Tells the link what a trainer would, of the run that is joined. */
  #tell(messageOf: (runNumber: number) => ToLink): void {
    if (this.#run !== null) this.#link.hear(messageOf(this.#run.runNumber));
  }

  #upstream(): Upstream {
    return {
      built: (probe) => this.#tell((runNumber) => ({ type: 'built', runNumber, ...probe })),
      unbuilt: (reason) => this.#tell((runNumber) => ({ type: 'unbuilt', runNumber, reason })),
      contribute: (contribution) => this.#tell((runNumber) => ({ type: 'contribution', runNumber, ...contribution })),
      fail: (failure) => this.#tell((runNumber) => ({ type: 'failed', runNumber, ...failure })),
      needSlots: () => this.#tell((runNumber) => ({ type: 'needSlots', runNumber })),
      tick: () => this.#control.tick(),
      fetch: (sha256) => this.#cache.fetchAnnounced(sha256),
      ask: ({ body, ...request }, timeoutMs) =>
        this.#client.exchange(body.length === 0 ? request : { ...request, body }, timeoutMs),
    };
  }
}

function deviceOf({ version }: RelayServing): Device {
  return { backend: 'wasm', gpu: null, threads: 1, host: hostname(), pid: process.pid, version };
}
