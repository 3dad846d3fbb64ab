/** The coordinator's address as the user wrote it, taken apart. */
import { exitCodes, UserError } from '../../shared/errors.js';

export interface CoordinatorAddress {
  /** Where the socket is opened: `ws://HOST:PORT/worker`. */
  readonly socket: string;
  /** Base of all artifacts: `http://HOST:PORT/artifacts/`. */
  readonly artifacts: string;
  /** Base of the run's labels: `http://HOST:PORT/labels/`. */
  readonly labels: string;
  /** For messages: without user, password and query. */
  readonly text: string;
}

/**
 * @throws UserError 2 unless `url` is `ws://HOST:PORT` or `wss://HOST:PORT`, with or without a path before the service.
 */
export function coordinatorAddress(url: string): CoordinatorAddress {
  if (!URL.canParse(url)) throw new UserError(`${url}: not an address; ws://HOST:PORT was wanted`, exitCodes.usage);
  const parsed = new URL(url);
  if (parsed.protocol !== 'ws:' && parsed.protocol !== 'wss:') {
    throw new UserError(
      `${addressWithoutSecrets(url)}: ${parsed.protocol}// is not a coordinator's; ws://HOST:PORT was wanted`,
      exitCodes.usage,
    );
  }
  const path = parsed.pathname.replace(/\/+$/, '').replace(/\/worker$/, '');
  const http = parsed.protocol === 'wss:' ? 'https:' : 'http:';
  return {
    socket: `${parsed.protocol}//${parsed.host}${path}/worker`,
    artifacts: `${http}//${parsed.host}${path}/artifacts/`,
    labels: `${http}//${parsed.host}${path}/labels/`,
    text: `${parsed.protocol}//${parsed.host}${path}`,
  };
}

export function addressWithoutSecrets(url: string): string {
  const parsed = new URL(url);
  return `${parsed.protocol}//${parsed.host}${parsed.pathname === '/' ? '' : parsed.pathname}`;
}
