/** What the verbs share that watch and steer a run at its coordinator: their flags, their requests, their refusals. */
import type { Command } from 'commander';
import type { CoordinatorAnswer, CoordinatorRequest } from '../worker/link/coordinator-client.js';
import { exitCodes, UserError } from '../shared/errors.js';
import { parseJson } from '../shared/json.js';
import { printable } from '../shared/printable.js';
import { readToken } from './credentials.js';
import { tokenFileOption } from './options.js';
import { withWorkerTls, workerTls, type WorkerTlsFlags } from './tls.js';

export interface OperatorFlags extends WorkerTlsFlags {
  readonly tokenFile?: string;
}

/** Adds the flags of a verb that asks a coordinator something. */
export function withOperator(command: Command): Command {
  return withWorkerTls(command.addOption(tokenFileOption()));
}

/** Whether an argument is the address of a coordinator, and not a run folder. */
export function isAddress(text: string): boolean {
  return /^\w+:\/\//.test(text);
}

/** Asks something of a coordinator, and gives its answer. */
export type Ask = (request: CoordinatorRequest) => Promise<CoordinatorAnswer>;

/** How long a coordinator may take to answer, in milliseconds. */
const answerMs = 10_000;

/**
 * Opens the way to a coordinator. What it answers is good: 2xx, or 416 for a range that it does not have yet.
 * @throws UserError 2 for an address that is none, or a token file that is no good; each question 69 where nobody
 * answers, 77 where the coordinator refuses
 */
export async function openOperator(url: string, flags: OperatorFlags): Promise<Ask> {
  const { CoordinatorClient } = await import('../worker/link/coordinator-client.js');
  const { Unreachable } = await import('../worker/link/connection.js');
  const client = new CoordinatorClient({ url, token: readToken(flags.tokenFile), tls: workerTls(flags) });
  const { text } = client.address;
  return async (request) => {
    try {
      return expectGood(text, await client.exchange(request, answerMs));
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      throw new UserError(
        `${text}: no coordinator answers (${error.message}); the address of one at work was wanted`,
        exitCodes.unavailable,
        error,
      );
    }
  };
}

function expectGood(text: string, answer: CoordinatorAnswer): CoordinatorAnswer {
  const { status, bytes } = answer;
  if ((status >= 200 && status < 300) || status === 416) return answer;
  const said = parseJson(bytes);
  const isTold = typeof said === 'object' && said !== null && 'error' in said && typeof said.error === 'string';
  const reason = isTold ? printable(String(said.error)) : `it answered ${status}`;
  throw new UserError(`${text}: ${reason}`, codeFor(status));
}

function codeFor(status: number): UserError['exitCode'] {
  if (status === 401 || status === 403) return exitCodes.refused;
  return status >= 500 ? exitCodes.unavailable : exitCodes.usage;
}
