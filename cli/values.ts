/**
 * What the command line's values are read with: numbers, addresses, the join token, and the line that tells how to
 * join.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { exitCodes, UserError } from '../shared/errors.js';
import { warn } from './output.js';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Reads a whole number from 0. @throws InvalidArgumentError for anything else */
export function integer(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('a whole number of at least 0 was wanted');
  return value;
}

/** Reads a whole number from 1. @throws InvalidArgumentError for anything else */
export function positive(text: string): number {
  const value = integer(text);
  if (value === 0) throw new InvalidArgumentError('a whole number of at least 1 was wanted');
  return value;
}

/** Reads `HOST:PORT` or `[IPV6]:PORT`. @throws InvalidArgumentError for anything else */
export function listenAddress(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65535) throw new InvalidArgumentError('HOST:PORT was wanted');
  return { host: match[1] ?? match[2] ?? '', port };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Adds the value of an option that may be repeated to those before it. */
export function collect(value: string, values: string[]): string[] {
  return [...values, value];
}

/**
 * Reads the join token from the file that `--token-file` names, else from the environment variable STILLHOUSE_TOKEN.
 * @returns null where neither gives one
 * @throws UserError 2 when the file cannot be read: the environment is no second choice then
 */
export function readToken(file: string | undefined): string | null {
  const { STILLHOUSE_TOKEN: inherited = '' } = process.env;
  if (file === undefined) return inherited === '' ? null : inherited;
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

/** Draws a join token of 256 bits. */
export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

/** The flags of a verb that lets workers join from elsewhere. */
export interface JoinFlags {
  readonly listen: Address;
  readonly tokenFile?: string;
  readonly insecure?: boolean;
}

/**
 * Finds the token that workers must bring.
 * @returns null for none, which goes without saying on loopback alone
 * @throws UserError 2 when there is none beyond loopback and `--insecure` is not given
 */
export function joinToken(flags: JoinFlags): string | null {
  const isOpen = !isLoopback(flags.listen.host);
  const token = readToken(flags.tokenFile);
  if (token === null && isOpen && flags.insecure !== true) {
    throw new UserError(
      `--listen ${flags.listen.host}: a token is needed beyond loopback; set STILLHOUSE_TOKEN or --token-file (stillhouse token makes one), or say --insecure`,
    );
  }
  if (token === null && isOpen) warn('--insecure: anybody who reaches this address can join and read models and data');
  return token;
}

/** @param more what the worker's command line needs besides, with a space before it */
export function joinLine({ host, port }: Address, token: string | null, more = ''): string {
  const url = `ws://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return `join with:  ${token === null ? '' : 'STILLHOUSE_TOKEN=... '}stillhouse worker ${url}${more}`;
}
