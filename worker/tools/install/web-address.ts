/** Addresses that are fetched from, with what logs them in kept apart from what messages show. Pure. */
import { UserError } from '../../../shared/errors.js';

export interface WebAddress {
  /** Without user name and password. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** Takes user name and password out of an address, into a header. @throws UserError 2 when it is no http address */
export function parseAddress(address: string): WebAddress {
  if (!URL.canParse(address) || !/^https?:/.test(address))
    throw new UserError(
      `${address}: no http or https address; the base of a Python package index, or a wheel's address, was wanted`,
    );
  const url = new URL(address);
  if (url.username === '' && url.password === '') return { url, headers: {} };
  const secret = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  return { url, headers: { authorization: `Basic ${Buffer.from(secret).toString('base64')}` } };
}

/** An address as messages show it: without its query, which may hold a signature. */
export function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** Why a fetch failed: it says "fetch failed" and keeps the reason as its cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
