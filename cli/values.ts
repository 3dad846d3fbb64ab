/** What the command line's values are read with: numbers and addresses. */
import { InvalidArgumentError } from 'commander';
import { say } from './output.js';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Reads a whole number from 0. @throws InvalidArgumentError for anything else */
export function integer(text: string): number {
  return wholeNumber(text, 0);
}

function wholeNumber(text: string, least: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
    throw new InvalidArgumentError(`a whole number of at least ${least} was wanted`);
  return value;
}

/** Reads a whole number from 1. @throws InvalidArgumentError for anything else */
export function positive(text: string): number {
  return wholeNumber(text, 1);
}

/** Reads `HOST:PORT` or `[IPV6]:PORT`. @throws InvalidArgumentError for anything else */
export function listenAddress(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65535) throw new InvalidArgumentError('HOST:PORT was wanted');
  return { host: match[1] ?? match[2] ?? '', port };
}

/** Adds the value of an option that may be repeated to those before it. */
export function collect(value: string, values: string[]): string[] {
  return [...values, value];
}

/** Addresses, the first of which is the one to begin with. */
export type Urls = readonly [string, ...string[]];

/** Tells of the addresses that name no port. */
export function sayPortsTaken(urls: Urls): void {
  for (const url of urls) {
    const port = portTaken(url);
    if (port !== null)
      say(`${url}: no port given, so ${port} is taken; ws://HOST:PORT as the coordinator prints it names its own`);
  }
}

/** The port that stands for none in a coordinator's address; null where it names one, or is no such address. */
export function portTaken(url: string): number | null {
  const [, scheme, place = ''] = /^(wss?):\/\/([^/?#]+)/i.exec(url) ?? [];
  if (scheme === undefined || /:\d+$/.test(place)) return null;
  return scheme.toLowerCase() === 'wss' ? 443 : 80;
}
