/**
 * Asks a model server over HTTP: a deadline for each attempt, further attempts where another may help, answers of
 * bounded size, no redirects. A token goes to the host that the environment names with it, and into no message.
 */
import { setTimeout as timeout } from 'node:timers/promises';
import { counted } from '../../../../shared/counted.js';
import { codeOf, exitCodes, UserError } from '../../../../shared/errors.js';
import { modelAddressOf, type ModelAddress } from '../../../../shared/recipe/model-address.js';
import type { TeacherSpec } from '../../../../shared/protocol/messages.js';
import { firstLine } from './model-errors.js';
import type { Body } from './kserve-messages.js';

/** Where a model is served, and how patiently it is asked. */
export type Served = NonNullable<TeacherSpec['served']>;

export interface ModelServerOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Waits before a further attempt. */
  readonly pause?: (ms: number) => Promise<unknown>;
  /** Ends whatever is under way, and all further attempts. */
  readonly stop?: AbortSignal | undefined;
  /** Seconds for all that is asked of it together, attempts and pauses included; absent: each attempt has its own alone. */
  readonly wholeSeconds?: number | undefined;
}

/** The most bytes that an answer may have. */
const largestAnswer = 256 * 1024 * 1024;
const largestMetadata = 1024 * 1024;
/** The first pause before a further attempt; each one is twice as long, up to the longest. */
const [firstPauseMs, longestPauseMs] = [250, 8000];
/** Answers to which another attempt may get a better one. */
const passing = new Set([408, 425, 429, 500, 502, 503, 504]);

/** What another attempt may mend. */
class PassingTrouble extends Error {}

export class ModelServer {
  readonly address: ModelAddress;
  readonly #teacher: string;
  readonly #served: Served;
  readonly #options: ModelServerOptions;
  /** When the time for all of it is over, by performance.now(). */
  readonly #endMs: number;

  /** @throws UserError 2 for an address that is none, or that others could listen to */
  constructor(teacher: string, served: Served, options: ModelServerOptions = {}) {
    const address = modelAddressOf(served.url);
    if (typeof address === 'string') throw new UserError(`teacher ${teacher}: url ${served.url}: ${address}`);
    if (!address.isPrivate && served.plainHttp !== true)
      throw new UserError(`teacher ${teacher}: url ${served.url}: https:// wanted, or request.plainHttp: true`);
    this.address = address;
    [this.#teacher, this.#served, this.#options] = [teacher, served, options];
    this.#endMs = performance.now() + 1000 * (options.wholeSeconds ?? Infinity);
  }

  /**
   * @param path behind the server's address
   * @throws UserError 69 where it cannot be reached in time, 77 where it refuses, 65 for another answer
   */
  async get(path: string): Promise<unknown> {
    const { bytes } = await this.#ask(path, null, largestMetadata);
    try {
      return JSON.parse(new TextDecoder().decode(bytes));
    } catch (error) {
      throw this.#bad(path, 'it answers what is no JSON', error);
    }
  }

  /** Throws as `get` does. */
  post(path: string, body: Body): Promise<Body> {
    return this.#ask(path, body, largestAnswer);
  }

  async #ask(path: string, body: Body | null, most: number): Promise<Body> {
    const { retries } = this.#served;
    const { pause = (ms: number) => timeout(ms, undefined, { signal: this.#options.stop }) } = this.#options;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#once(path, body, most);
      } catch (error) {
        if (!(error instanceof PassingTrouble)) throw error;
        const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** attempt);
        const isOver = performance.now() + pauseMs >= this.#endMs;
        if (attempt === retries || isOver) throw this.#away(path, error, { attempts: attempt + 1, isOver });
        await pause(pauseMs).catch(() => undefined);
        if (this.#options.stop?.aborted === true) throw this.#stopped(error);
      }
    }
  }

  #stopped(cause: unknown): UserError {
    return new UserError(`teacher ${this.#teacher}: stopped before its server had answered`, exitCodes.stopped, cause);
  }

  #away(path: string, error: PassingTrouble, { attempts, isOver }: { attempts: number; isOver: boolean }): UserError {
    const within = isOver ? ` within ${this.#options.wholeSeconds} s for all questions` : '';
    return new UserError(
      `teacher ${this.#teacher}: ${this.address.base}${path}: ${error.message}, ${counted(attempts, 'time')}${within}; a server that answers wanted`,
      exitCodes.unavailable,
      error,
    );
  }

  async #once(path: string, body: Body | null, most: number): Promise<Body> {
    const { base } = this.address;
    const leftMs = Math.max(1, Math.min(1000 * this.#served.deadlineSeconds, this.#endMs - performance.now()));
    const { stop } = this.#options;
    const late = AbortSignal.timeout(Math.ceil(leftMs));
    const signal = stop === undefined ? late : AbortSignal.any([late, stop]);
    try {
      const response = await fetch(`${base}${path}`, {
        method: body === null ? 'GET' : 'POST',
        headers: { ...this.#authorization(), ...headersOf(body) },
        ...(body === null ? {} : { body: body.bytes }),
        redirect: 'error',
        signal,
      });
      if (!response.ok) throw await this.#refusal(path, response);
      const head = response.headers.get('inference-header-content-length');
      return { bytes: await this.#read(path, response, most), jsonLength: head === null ? null : Number(head) };
    } catch (error) {
      if (error instanceof UserError || error instanceof PassingTrouble) throw error;
      if (stop?.aborted === true) throw this.#stopped(error);
      if (signal.aborted)
        throw new PassingTrouble(`no answer within ${secondsOf(leftMs, this.#served.deadlineSeconds)} s`);
      const cause = error instanceof Error ? error.cause : undefined;
      throw new PassingTrouble(`it cannot be reached (${codeOf(cause) || firstLine(String(cause ?? error))})`);
    }
  }

  async #refusal(path: string, response: Response): Promise<Error> {
    const { status } = response;
    if (passing.has(status)) return new PassingTrouble(`it answers ${status}`);
    const text = firstLine(new TextDecoder().decode(await this.#read(path, response, largestMetadata)));
    if (status === 401 || status === 403)
      return new UserError(
        `teacher ${this.#teacher}: ${this.address.base}${path}: it answers ${status}; a token for ${hostOf(this.address)} in STILLHOUSE_TEACHER_TOKENS wanted`,
        exitCodes.refused,
      );
    return this.#bad(path, `it answers ${status} (${text})`);
  }

  async #read(path: string, { body }: Response, most: number): Promise<Uint8Array<ArrayBuffer>> {
    const parts: Uint8Array[] = [];
    let length = 0;
    const pieces: AsyncIterable<unknown> | readonly never[] = body ?? [];
    for await (const part of pieces) {
      if (!(part instanceof Uint8Array)) continue;
      length += part.length;
      if (length > most) throw this.#bad(path, `it answers more than ${most} bytes`);
      parts.push(part);
    }
    return Uint8Array.from(Buffer.concat(parts));
  }

  #authorization(): Record<string, string> {
    const { STILLHOUSE_TEACHER_TOKENS: tokens = '' } = this.#options.env ?? process.env;
    const host = hostOf(this.address);
    const pair = tokens.split(',').find((one) => one.trim().startsWith(`${host}=`));
    if (pair === undefined) return {};
    if (!this.address.isPrivate)
      throw new UserError(`teacher ${this.#teacher}: a token is given for ${host}; https:// wanted for it`);
    const token = pair.trim().slice(host.length + 1);
    if (!/^[\x21-\x7e]+$/.test(token))
      throw new UserError(
        `teacher ${this.#teacher}: STILLHOUSE_TEACHER_TOKENS: the token for ${host} is empty or has characters that no header carries; HOST=TOKEN,HOST=TOKEN wanted`,
      );
    return { authorization: `Bearer ${token}` };
  }

  #bad(path: string, text: string, cause?: unknown): UserError {
    return new UserError(
      `teacher ${this.#teacher}: ${this.address.base}${path}: ${text}; an answer of the Open Inference Protocol 2 wanted`,
      exitCodes.data,
      cause,
    );
  }
}

function headersOf(body: Body | null): Record<string, string> {
  if (body === null) return { accept: 'application/json' };
  return body.jsonLength === null
    ? { 'content-type': 'application/json' }
    : {
        'content-type': 'application/octet-stream',
        'inference-header-content-length': String(body.jsonLength),
      };
}

/** The seconds of an attempt, in words: those that it may have, unless far fewer were left. */
function secondsOf(ms: number, deadlineSeconds: number): number {
  return ms < 900 * deadlineSeconds ? Number((ms / 1000).toPrecision(2)) : deadlineSeconds;
}

/** Its name, and its port where that is not the scheme's own. */
function hostOf({ base }: ModelAddress): string {
  return new URL(base).host;
}
