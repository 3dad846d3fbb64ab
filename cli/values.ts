/**
 * What the command line's values are read with: numbers, addresses, the join token, and the line that tells how to
 * join.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { exitCodes, UserError } from '../shared/errors.js';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export function integer(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('a whole number of at least 0 was wanted');
  return value;
}

export function positive(text: string): number {
  const value = integer(text);
  if (value === 0) throw new InvalidArgumentError('a whole number of at least 1 was wanted');
  return value;
}

export function listenAddress(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65535) throw new InvalidArgumentError('HOST:PORT was wanted');
  return { host: match[1] ?? match[2] ?? '', port };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

export function collect(value: string, values: string[]): string[] {
  return [...values, value];
}

/** The token from `--token-file`, else from the environment. An unreadable file ends the program: no falling back. */
export function readToken(file: string | undefined): string | null {
  if (file === undefined) {
    const { STILLHOUSE_TOKEN: token = '' } = process.env;
    return token === '' ? null : token;
  }
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new UserError(
      `--token-file ${file}: cannot be read; a file with the join token was wanted`,
      exitCodes.usage,
      error,
    );
  }
}

export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

export interface JoinFlags {
  readonly listen: Address;
  readonly tokenFile?: string;
  readonly insecure?: boolean;
}

/** The token that workers must bring; null for none, which loopback alone may have without a word. */
export function joinToken(flags: JoinFlags, say: (line: string) => void): string | null {
  const isOpen = !isLoopback(flags.listen.host);
  const token = readToken(flags.tokenFile);
  if (token === null && isOpen && flags.insecure !== true) {
    throw new UserError(
      `--listen ${flags.listen.host}: a token is needed beyond loopback; set STILLHOUSE_TOKEN or --token-file (stillhouse token makes one), or say --insecure`,
    );
  }
  if (token === null && isOpen)
    say('warning: --insecure: anybody who reaches this address can join and read models and data');
  return token;
}

export function joinLine(host: string, port: number, token: string | null, more = ''): string {
  return `join with:  ${token === null ? '' : 'STILLHOUSE_TOKEN=... '}stillhouse worker ws://${host.includes(':') ? `[${host}]` : host}:${port}${more}`;
}
