/** MLflow's REST API 2.0, as far as a run needs it. Each call is one request; nothing is tried twice here. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { UserError } from '../../../shared/errors.js';

/** Where an MLflow server is, and as whom it is asked. */
export interface MlflowAccess {
  readonly url: URL;
  /** The header `authorization`; null for none. */
  readonly authorization: string | null;
  readonly experiment: string;
}

/** A call that the server did not answer as it should. */
export class MlflowProblem extends Error {
  /** Whether the same call may succeed later. */
  readonly isPassing: boolean;
  /** What MLflow calls the error; empty where no server of it answered. */
  readonly code: string;

  constructor(message: string, { isPassing, code = '' }: { readonly isPassing: boolean; readonly code?: string }) {
    super(message);
    [this.isPassing, this.code] = [isPassing, code];
  }
}

/** How long an answer may take, in milliseconds. */
const patienceMs = 10_000;

/**
 * @param text the URL of the server
 * @param environment where MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, and
 * MLFLOW_EXPERIMENT_NAME (default: Default) are
 * @throws UserError 2 for what is no URL of a server
 */
export function mlflowAccess(text: string, environment: Readonly<Record<string, string | undefined>>): MlflowAccess {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new UserError(`--mlflow ${withoutSecrets(text)}: the URL of a server was wanted, as http://127.0.0.1:5000`);
  if (url.username !== '' || url.password !== '')
    throw new UserError(
      `--mlflow ${url.host}: credentials belong into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; a URL without any was wanted`,
    );
  if (url.search !== '' || url.hash !== '')
    throw new UserError(`--mlflow ${url.origin}${url.pathname}: a URL without anything behind ? or # was wanted`);
  const {
    MLFLOW_TRACKING_TOKEN: token,
    MLFLOW_TRACKING_USERNAME: user,
    MLFLOW_TRACKING_PASSWORD: password,
  } = environment;
  const basic = user === undefined ? null : `Basic ${Buffer.from(`${user}:${password ?? ''}`).toString('base64')}`;
  return {
    url,
    authorization: token === undefined || token === '' ? basic : `Bearer ${token}`,
    experiment: environment.MLFLOW_EXPERIMENT_NAME ?? 'Default',
  };
}

/** What may be a password or a token is not shown. */
function withoutSecrets(text: string): string {
  return text.includes('@') ? '(an address with @)' : text.replace(/[?#].*$/s, '');
}

const errorSchema = z.object({ error_code: z.string(), message: z.string().optional() });

export class MlflowClient {
  readonly #access: MlflowAccess;

  constructor(access: MlflowAccess) {
    this.#access = access;
  }

  /** @throws MlflowProblem where the server is not reached, refuses, or answers with something else */
  async call<T>(
    path: string,
    schema: z.ZodType<T>,
    sent: { readonly query?: Record<string, string>; readonly body?: unknown },
  ): Promise<T> {
    const url = this.#urlOf(`api/2.0/mlflow/${path}`);
    url.search = new URLSearchParams(sent.query).toString();
    const isPost = sent.body !== undefined;
    const text = await this.#ask(url, {
      method: isPost ? 'POST' : 'GET',
      headers: { 'content-type': 'application/json' },
      ...(isPost ? { body: JSON.stringify(sent.body) } : {}),
    });
    const answer = schema.safeParse(parsed(text));
    if (answer.success) return answer.data;
    throw new MlflowProblem(`${url.origin}${url.pathname} answers with something else than MLflow does`, {
      isPassing: false,
    });
  }

  /** Sends a file through the server's proxy of artifacts. @param path where it goes, as the server's proxy names it */
  async putArtifact(path: string, file: string): Promise<void> {
    const names = path.split('/').map(encodeURIComponent).join('/');
    const { size } = await stat(file);
    await this.#ask(this.#urlOf(`api/2.0/mlflow-artifacts/artifacts/${names}`), {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream', 'content-length': String(size) },
      body: Readable.toWeb(createReadStream(file)),
      duplex: 'half',
    });
  }

  #urlOf(path: string): URL {
    const { url } = this.#access;
    return new URL(`${url.pathname.replace(/\/$/, '')}/${path}`, url.origin);
  }

  async #ask(url: URL, init: RequestInit): Promise<string> {
    const { authorization } = this.#access;
    const headers = {
      ...(init.headers as Record<string, string>),
      ...(authorization === null ? {} : { authorization }),
    };
    const answer = async (): Promise<{ readonly status: number; readonly text: string }> => {
      const response = await fetch(url, { ...init, headers, signal: AbortSignal.timeout(patienceMs) });
      return { status: response.status, text: await response.text() };
    };
    const { status, text } = await answer().catch((error: unknown) => {
      throw new MlflowProblem(`${url.origin} is not reached: ${reasonOf(error)}`, { isPassing: true });
    });
    if (status >= 200 && status < 300) return text;
    const told = errorSchema.safeParse(parsed(text)).data;
    const isPassing = status === 429 || status >= 500;
    const why =
      told === undefined
        ? ''
        : `: ${told.error_code}${told.message === undefined ? '' : `, ${told.message.slice(0, 200)}`}`;
    throw new MlflowProblem(`${url.origin}${url.pathname} answers ${status}${why}`, {
      isPassing,
      code: told?.error_code ?? '',
    });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The cause is what tells: fetch itself always fails alike. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error
    ? 'code' in cause && typeof cause.code === 'string'
      ? cause.code
      : cause.message
    : String(cause);
}
