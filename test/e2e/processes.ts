/**
 * Runs of real processes over real sockets on loopback, each worker with a cache folder of its own: no disk is shared.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commitsOf, killAll, Program } from '../../bench/programs.js';

/** `remove` also ends the programs that a failed test left behind. */
export function scratchFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'stillhouse-e2e-'));
  return {
    path,
    remove: () => {
      killAll();
      rmSync(path, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Ports of loopback that are free now, each another one: for servers that cannot choose one themselves. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  for (const server of servers) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}

/** What was computed, step by step, without who and when: what must be the same however it was computed. */
export function curveOf(out: string): unknown[] {
  return commitsOf(out).map(({ step, epoch, from, to, samples, loss, digest }) => ({
    step,
    epoch,
    from,
    to,
    samples,
    loss,
    digest,
  }));
}

/** SHA-256 of the final weights. */
export const digestOf = (out: string): string =>
  (JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as { digest: string }).digest;

/** What the processes of one run share and each of them is given. */
export interface Place {
  readonly recipe: string;
  readonly out: string;
  /** A cache folder for each process is made in it: no disk is shared. */
  readonly caches: string;
}

export const token = 'a-token-for-the-end-to-end-tests-0123456789';

/** Below the tests' own time limit, so that a program that hangs is a failure with what it had printed. */
const deadlineMs = 100_000;

function environmentOf(
  { caches }: Place,
  name: string,
  more: Readonly<Record<string, string>>,
): Record<string, string> {
  return { STILLHOUSE_CACHE: join(caches, name), STILLHOUSE_TOKEN: token, ...more };
}

export interface CoordinatorOptions {
  /** 0: any. */
  readonly port?: number;
  /** Workers that the first step waits for. */
  readonly expect?: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly host?: string;
  /** Further flags. */
  readonly flags?: readonly string[];
  readonly through?: readonly string[];
}

export function startCoordinator(
  place: Place,
  { port = 0, expect = 1, environment = {}, host = '127.0.0.1', through, flags = [] }: CoordinatorOptions = {},
): Program {
  const args = [
    'coordinator',
    place.recipe,
    '--listen',
    `${host}:${port}`,
    '--expect',
    String(expect),
    '--out',
    place.out,
    ...flags,
  ];
  return new Program(args, environmentOf(place, 'coordinator', environment), deadlineMs, through);
}

/** The address that workers are told. */
export async function urlOf(coordinator: Program): Promise<string> {
  const [, url = ''] = await coordinator.says(/worker (ws:\/\/\S+)/);
  return url;
}

export function startWorker(
  place: Place,
  name: string,
  url: string | readonly string[],
  environment: Readonly<Record<string, string>> = {},
  through?: readonly string[],
  flags: readonly string[] = [],
): Program {
  return new Program(
    ['worker', ...[url].flat(), ...flags],
    environmentOf(place, name, environment),
    deadlineMs,
    through,
  );
}

/** A relay on a port of its own, whose address `urlOf` gives. */
export function startRelay(
  place: Place,
  name: string,
  urls: readonly string[],
  flags: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): Program {
  return new Program(
    ['relay', ...urls, '--listen', '127.0.0.1:0', ...flags],
    environmentOf(place, name, environment),
    deadlineMs,
  );
}

/** Flags of a worker whose bulk bytes go through the socket, so that whoever is in between sees them. */
export const onSocket = ['--memory-folder', 'none'] as const;

export interface Cluster {
  readonly coordinator: Program;
  readonly workers: readonly Program[];
}

/** `coordinator` in one process and `worker` in others; the first step waits for all of them. */
export async function startCluster(place: Place, workers: number): Promise<Cluster> {
  const coordinator = startCoordinator(place, { expect: workers });
  const url = await urlOf(coordinator);
  return { coordinator, workers: Array.from({ length: workers }, (_, i) => startWorker(place, `w${i}`, url)) };
}
