/**
 * Requests to the servers of remote files: redirects are followed so many times, what may pass is tried again, and a
 * server that sends nothing is given up. No address with a signature, and no header, is ever part of a text.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { isLoopback } from '../../../shared/access/loopback.js';
import { codeOf, exitCodes, UserError } from '../../../shared/errors.js';

/** The server cannot be reached, or does not answer as one does that works. */
export class OutOfReach extends UserError {
  constructor(address: string, problem: string, cause?: unknown) {
    super(`${address}: ${problem}; a server that answers was wanted`, exitCodes.unavailable, cause);
  }
}

/** A transfer broke that another attempt may bring to its end. */
export class TransferBroken extends Error {
  /** What the server wants waited, where it says. */
  readonly afterMs: number | null;

  constructor(message: string, { cause, afterMs = null }: { cause?: unknown; afterMs?: number | null } = {}) {
    super(message, { cause });
    this.afterMs = afterMs;
  }
}

export interface HttpOptions {
  /** Milliseconds without a byte after which a transfer counts as broken. */
  readonly idleMs?: number;
  /** Milliseconds before the second attempt; each further one waits for twice as long. */
  readonly retryMs?: number;
  readonly attempts?: number;
  /** Ends every transfer. */
  readonly stop?: AbortSignal | undefined;
}

export interface AskOptions {
  /** What messages call the file. */
  readonly address: string;
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
  /** Gives the headers that grant access. They go to the server of the first address alone. */
  readonly authorize?: (
    url: URL,
    method: string,
    headers: Readonly<Record<string, string>>,
  ) => Promise<Record<string, string>>;
  /** Whether the user has named this server as one without TLS. */
  readonly isPlainAllowed?: boolean;
}

const mostRedirects = 5;
const longestWaitMs = 30_000;
const passingStatuses = new Set([408, 425, 429, 500, 502, 503, 504]);
const redirects = new Set([301, 302, 303, 307, 308]);

export class HttpClient {
  readonly #options: Required<Omit<HttpOptions, 'stop'>> & Pick<HttpOptions, 'stop'>;

  constructor(options: HttpOptions = {}) {
    this.#options = { idleMs: 30_000, retryMs: 500, attempts: 6, ...options };
  }

  get attempts(): number {
    return this.#options.attempts;
  }

  /** Ends every transfer. */
  get stop(): AbortSignal | undefined {
    return this.#options.stop;
  }

  /**
   * Asks until an answer comes that is no passing failure. The caller reads or destroys it.
   * @throws OutOfReach (69) after the last attempt, UserError 77 for a certificate that is not trusted
   */
  async ask(url: string, options: AskOptions): Promise<IncomingMessage> {
    return this.trying(options.address, () => this.askOnce(url, options));
  }

  /** One attempt. @throws TransferBroken where another may succeed; else as `ask` */
  async askOnce(url: string, options: AskOptions): Promise<IncomingMessage> {
    const { address, method = 'GET', headers = {}, authorize, isPlainAllowed = false } = options;
    const first = new URL(url);
    let at = first;
    for (let hop = 0; hop <= mostRedirects; hop++) {
      if (at.protocol === 'http:' && first.protocol === 'https:')
        throw new UserError(`${address}: it leads to an address without TLS; one with was wanted`, exitCodes.refused);
      this.#expectAllowed(at, address, isPlainAllowed);
      const own = at.origin === first.origin ? await authorize?.(at, method, headers) : undefined;
      const response = await this.#send(at, { address, method, headers: { ...headers, ...own } });
      const { statusCode: status = 0, headers: answer } = response;
      if (passingStatuses.has(status)) {
        response.destroy();
        throw new TransferBroken(`it answers ${status}`, { afterMs: waitOf(answer['retry-after']) });
      }
      if (!redirects.has(status) || answer.location === undefined || !URL.canParse(answer.location, at.href))
        return response;
      response.destroy();
      at = new URL(answer.location, at.href);
    }
    throw new OutOfReach(address, `it leads on to other addresses more than ${mostRedirects} times`);
  }

  /** Repeats what breaks and may pass. @throws OutOfReach (69) after the last attempt */
  async trying<T>(address: string, once: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await once();
      } catch (error) {
        if (!(error instanceof TransferBroken)) throw error;
        if (attempt >= this.#options.attempts)
          throw new OutOfReach(address, `${error.message}, ${attempt} times`, error);
        await this.pauseAfter(error, attempt);
      }
    }
  }

  /** Waits before the attempt that follows the given one, or until `end`. @throws UserError 75 when a stop is asked for */
  async pauseAfter({ afterMs }: TransferBroken, attempt: number, end?: AbortSignal): Promise<void> {
    const ms = afterMs ?? this.#options.retryMs * 2 ** (attempt - 1);
    const signal = AbortSignal.any([this.#options.stop, end].flatMap((one) => one ?? []));
    await sleep(Math.min(ms, longestWaitMs), undefined, { signal }).catch(() => undefined);
    this.expectGoing();
  }

  /** @throws UserError 75 when a stop was asked for */
  expectGoing(): void {
    if (this.#options.stop?.aborted === true)
      throw new UserError(
        'remote files: stopped before all had come; what has come is kept, run again to go on',
        exitCodes.stopped,
      );
  }

  #expectAllowed({ protocol, hostname }: URL, address: string, isPlainAllowed: boolean): void {
    if (protocol === 'https:') return;
    if (protocol === 'http:' && (isPlainAllowed || isLoopback(hostname.replace(/^\[|\]$/g, '')))) return;
    throw new UserError(
      `${address}: ${protocol}// given beyond this machine; https:// was wanted, or STILLHOUSE_PLAIN_HTTP=${hostname}`,
    );
  }

  #send(
    url: URL,
    { address, method, headers }: { address: string; method: string; headers: Record<string, string> },
  ): Promise<IncomingMessage> {
    const { idleMs, stop } = this.#options;
    this.expectGoing();
    return new Promise((resolve, reject) => {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
      const options = { method, headers: { 'accept-encoding': 'identity', 'user-agent': 'stillhouse', ...headers } };
      const request = send(url, stop === undefined ? options : { ...options, signal: stop });
      const fail = (error: Error): void => {
        try {
          this.expectGoing();
          reject(problemOf(address, error));
        } catch (stopped) {
          reject(stopped instanceof Error ? stopped : error);
        }
      };
      request.setTimeout(idleMs, () => request.destroy(new TransferBroken(`it sends nothing for ${idleMs / 1000} s`)));
      request.on('response', resolve).on('error', fail);
      request.end();
    });
  }
}

const certificateCodes = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT)/;

/** What an error of a connection means: a certificate is for the user to mend, all else may pass. */
export function problemOf(address: string, error: unknown): Error {
  if (error instanceof UserError || error instanceof TransferBroken) return error;
  const code = codeOf(error);
  if (certificateCodes.test(code))
    return new UserError(
      `${address}: the server's certificate is not trusted (${code}); NODE_EXTRA_CA_CERTS=FILE with its authority was wanted`,
      exitCodes.refused,
      error,
    );
  return new TransferBroken(`it cannot be reached (${code === '' ? String(error) : code})`, { cause: error });
}

/** Milliseconds that the header Retry-After asks for, in seconds or as a date. */
function waitOf(header: string | undefined): number | null {
  if (header === undefined) return null;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) && ms >= 0 ? ms : null;
}

const mostText = 1 << 20;

/** The text of an answer. @throws TransferBroken when it ends early */
export async function textOf(response: IncomingMessage, most = mostText): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const piece of response) {
      if (!(piece instanceof Uint8Array)) continue;
      bytes += piece.length;
      if (bytes > most) throw new TransferBroken(`its answer is longer than ${most} bytes`);
      pieces.push(piece);
    }
  } catch (error) {
    throw error instanceof TransferBroken ? error : new TransferBroken('its answer ends early', { cause: error });
  }
  return Buffer.concat(pieces).toString('utf8');
}
