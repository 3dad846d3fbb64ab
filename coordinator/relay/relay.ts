/**
 * A relay's port and the run that is served there. Workers find what they would find at the coordinator: the WebSocket,
 * artifacts by hash, labels. While no run is joined above they are told to come again.
 */
import { join } from 'node:path';
import type { WebSocket } from 'ws';
import { closeCodes, type Down, type Lease } from '../../shared/protocol/messages.js';
import { systemTimers } from '../../shared/timers.js';
import type { Channel } from '../exchange/channel.js';
import type { ArtifactSource } from '../server/artifacts.js';
import { listen, type Admission, type AdmissionOptions } from '../server/server.js';
import { SocketChannel } from '../server/socket-channel.js';
import { PassedRequests } from './passed-requests.js';
import { RelayRun } from './relay-run.js';
import { clearLeft, scratchName } from './scratch.js';
import type { RelayedRun, Upstream } from './upstream.js';

export interface RelayOptions extends Pick<AdmissionOptions, 'host' | 'port' | 'credentials' | 'tls'> {
  readonly upstream: Upstream;
  /** Where commits and snapshots lie while workers may want them. What a killed relay leaves the next one removes. */
  readonly scratchFolder: string;
  /** Where files lie that are shared with workers of this host; null: none are. */
  readonly memoryFolder: string | null;
  readonly say: (level: 'info' | 'warn', text: string) => void;
  /** An error that ends the relay. */
  readonly fail: (error: unknown) => void;
}

/** How long a worker is held that has come before a run is joined above, in milliseconds. */
const heldMs = 10_000;

export class Relay {
  readonly #options: RelayOptions;
  readonly #name = scratchName();
  #current: RelayRun | null = null;
  #joined: RelayedRun | null = null;
  #runs = 0;
  #admission: Admission | null = null;
  #closing: Promise<unknown> = Promise.resolve();
  /** Let the workers in, or send them away, that came before a run was joined. */
  readonly #held = new Set<() => void>();

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** Clears up after relays that were killed, and listens. @returns the port. @throws UserError 69 where it is in use */
  async open(): Promise<number> {
    const { upstream, say, fail, host, port, credentials, tls, scratchFolder } = this.#options;
    await clearLeft(scratchFolder, this.#name);
    this.#admission = await listen({
      ...{ host, port, credentials, tls },
      find: (sha256) => this.#find(sha256),
      labels: new PassedRequests(upstream),
      isReady: () => this.#current !== null,
      onError: fail,
      onNotice: (line) => say('warn', line),
      onWorker: (socket, transport, origin) => this.#admit(socket, () => new SocketChannel(socket, transport, origin)),
    });
    return this.#admission.port;
  }

  /**
   * A run was joined above, or joined again.
   * @returns whether workers go on with what they have; else they come again, and none is ready before
   */
  joined(run: RelayedRun): boolean {
    if (this.#current !== null && goesOn(this.#joined, run)) return true;
    this.#endCurrent('again', 'the run goes on from here: connect again');
    this.#joined = run;
    const { upstream, scratchFolder, memoryFolder, say, fail } = this.#options;
    const folder = join(scratchFolder, `${this.#name}.${++this.#runs}`);
    this.#current = new RelayRun({ run, upstream, folder, memoryFolder, say, fail, timers: systemTimers });
    for (const admit of [...this.#held]) admit();
    return false;
  }

  /** The run that is served; null while none is. */
  get current(): RelayRun | null {
    return this.#current;
  }

  leased(lease: Lease): void {
    this.#current?.leased(lease);
  }

  /** The run has ended above; workers are told the same, and none is let in before the next one. */
  ended(end: Down<'end'>): void {
    const run = this.#current;
    [this.#current, this.#joined] = [null, null];
    if (run === null) return;
    this.#closing = Promise.all([this.#closing, run.tellEnd(end).then(() => run.close('elsewhere', end.text))]);
  }

  /** Sends every worker elsewhere, and stops listening. */
  async close(reason: string): Promise<void> {
    this.#endCurrent('elsewhere', reason);
    for (const admit of [...this.#held]) admit();
    await this.#closing;
    await this.#admission?.close();
  }

  #endCurrent(why: 'again' | 'elsewhere', reason: string): void {
    const run = this.#current;
    this.#current = null;
    if (run !== null) this.#closing = Promise.all([this.#closing, run.close(why, reason)]);
  }

  /** Lets a worker in; one that comes before a run is joined is held for a while, so that it need not go elsewhere. */
  #admit(socket: WebSocket, open: () => Channel): void {
    if (this.#current !== null) return this.#current.connect(open());
    socket.pause();
    const admit = (): void => {
      cancel();
      this.#held.delete(admit);
      socket.resume();
      const channel = open();
      if (this.#current !== null) return this.#current.connect(channel);
      channel.listen({ onFrame: () => undefined, onClosed: () => undefined });
      channel.close(closeCodes.shutdown, 'the relay has not joined a run yet');
    };
    const cancel = systemTimers.after(heldMs, admit);
    this.#held.add(admit);
  }

  async #find(sha256: string): Promise<ArtifactSource | undefined> {
    const run = this.#current;
    const own = run?.pathOf(sha256);
    if (own !== undefined) return { path: own };
    try {
      return { path: await this.#options.upstream.fetch(sha256) };
    } catch (error) {
      run?.lacks(sha256);
      this.#options.say('warn', `not passed on: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }
}

/** Whether workers go on with what they have of the run that was joined before. */
export function goesOn(before: RelayedRun | null, { welcome, replica }: RelayedRun): boolean {
  return (
    before?.replica === replica &&
    welcome.snapshot === null &&
    before.welcome.generation === welcome.generation &&
    before.welcome.nonce === welcome.nonce
  );
}
