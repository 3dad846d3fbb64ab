/**
 * The label messages (shared/protocol/label-messages.ts) as a worker sends them to the coordinator. An answer that is
 * none is a result here and not an error: labels can be made without the coordinator.
 */
import { z } from 'zod';
import { parseJson } from '../../shared/json.js';
import {
  contentDigest,
  digestHeader,
  labelCountsSchema,
  labelLeaseSchema,
  labelPathOf,
  labelRunSchema,
  numericsHeader,
  workerHeader,
  type LabelCounts,
  type LabelLease,
  type LabelPath,
  type LabelRun,
  type LeaseRequest,
} from '../../shared/protocol/label-messages.js';
import { printable } from '../../shared/printable.js';
import { Unreachable } from '../link/connection.js';
import type { CoordinatorAnswer, CoordinatorClient, CoordinatorRequest } from '../link/coordinator-client.js';

export type LabelAnswer<T> =
  | { readonly type: 'given'; readonly value: T }
  /** The coordinator refused it, for the reason that this HTTP status has in label-messages.ts. */
  | { readonly type: 'refused'; readonly status: number; readonly reason: string }
  /** There is no coordinator, or it does not answer in time, or something else answers in its place. */
  | { readonly type: 'away' }
  /** What came is not what was asked for. */
  | { readonly type: 'damaged'; readonly problem: string };

export interface Exchange {
  /** Milliseconds that an answer may take. */
  readonly timeoutMs: number;
}

/** Who sends labels. */
export interface LabelMaker {
  /** Random name of this process. */
  readonly worker: string;
  /** What the bits of its labels depend on (label-numerics.ts). */
  readonly numerics: string;
}

export class LabelClient {
  readonly #client: CoordinatorClient;
  readonly #maker: LabelMaker;

  constructor(client: CoordinatorClient, maker: LabelMaker) {
    this.#client = client;
    this.#maker = maker;
  }

  /** What is to be labelled. */
  run(exchange: Exchange): Promise<LabelAnswer<LabelRun>> {
    return this.#askJson({ type: 'run' }, labelRunSchema, exchange);
  }

  /** The block that the worker of this name labels next. */
  lease(request: LeaseRequest, exchange: Exchange): Promise<LabelAnswer<LabelLease>> {
    return this.#askJson({ type: 'lease' }, labelLeaseSchema, {
      ...exchange,
      method: 'POST',
      body: JSON.stringify(request),
    });
  }

  /** How many rows the coordinator has of each block of a set. */
  counts(key: string, exchange: Exchange): Promise<LabelAnswer<LabelCounts>> {
    return this.#askJson({ type: 'set', key }, labelCountsSchema, exchange);
  }

  /** The bytes of a block, as long as they have the digest that came with them. */
  async block(key: string, block: number, exchange: Exchange): Promise<LabelAnswer<Uint8Array>> {
    const answer = await this.#exchange({ type: 'block', key, block }, exchange);
    if (answer.type !== 'given') return answer;
    const { headers, bytes } = answer.value;
    return headers[digestHeader] === contentDigest(bytes)
      ? { type: 'given', value: bytes }
      : { type: 'damaged', problem: 'the bytes have another content-digest' };
  }

  /** Sends the rows of a RowsMessage. */
  async putRows(key: string, body: Uint8Array, exchange: Exchange): Promise<LabelAnswer<null>> {
    const headers = { [digestHeader]: contentDigest(body) };
    const answer = await this.#exchange({ type: 'set', key }, { ...exchange, method: 'PUT', body, headers });
    return answer.type === 'given' ? { type: 'given', value: null } : answer;
  }

  async #askJson<T>(
    path: LabelPath,
    schema: z.ZodType<T>,
    request: Exchange & Omit<CoordinatorRequest, 'path'>,
  ): Promise<LabelAnswer<T>> {
    const answer = await this.#exchange(path, request);
    if (answer.type !== 'given') return answer;
    const value = parseJson(answer.value.bytes);
    if (value === undefined) return { type: 'away' };
    const parsed = schema.safeParse(value);
    return parsed.success
      ? { type: 'given', value: parsed.data }
      : { type: 'damaged', problem: `the coordinator's answer to ${path.type}: ${z.prettifyError(parsed.error)}` };
  }

  async #exchange(
    path: LabelPath,
    { timeoutMs, headers, ...request }: Exchange & Omit<CoordinatorRequest, 'path'>,
  ): Promise<LabelAnswer<CoordinatorAnswer>> {
    const maker = { [workerHeader]: this.#maker.worker, [numericsHeader]: this.#maker.numerics };
    try {
      const answer = await this.#client.exchange(
        { ...request, path: labelPathOf(path), headers: { ...headers, ...maker } },
        timeoutMs,
      );
      const { status } = answer;
      return status >= 200 && status < 300
        ? { type: 'given', value: answer }
        : { type: 'refused', status, reason: reasonIn(answer.bytes) };
    } catch (error) {
      if (error instanceof Unreachable) return { type: 'away' };
      throw error;
    }
  }
}

/** Why it was refused, in the coordinator's words, in one line. */
function reasonIn(bytes: Uint8Array): string {
  const body = parseJson(bytes);
  const reason = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined;
  return typeof reason === 'string' ? printable(reason, 500) : 'no reason given';
}
