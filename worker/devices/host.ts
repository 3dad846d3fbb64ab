/**
 * The worker processes of one host, one for each device: each sees its own device alone, says its lines under the device's
 * name, is started again when it dies, and ends with the run. Who is started again, and when, is decided in restarts.ts.
 */
import { spawn } from 'node:child_process';
import { toldNext } from '../../shared/protocol/ended-before.js';
import type { ExitCode } from '../../shared/errors.js';
import { readLines, reasonIn } from '../../shared/process-lines.js';
import type { HostDevice } from './list.js';
import { Restarts, usualRules, type RestartRules, type WorkerEnd } from './restarts.js';

export interface HostOptions {
  readonly devices: readonly HostDevice[];
  /** The command line of one worker. */
  readonly command: readonly string[];
  /** What a process is started by that is pinned to cores, before their list; null: none are pinned. */
  readonly pinning: readonly string[] | null;
  readonly stop: AbortSignal;
  /** Gets each line with the name of the device that it is about. */
  readonly log: (line: string, device: string) => void;
  /** What the driver says is wrong with the device; empty for nothing. It may hang, and is not waited for after a stop. */
  readonly faultOf?: (device: HostDevice, stop: AbortSignal) => Promise<string>;
  readonly rules?: RestartRules;
}

/** Resolves once all have ended for good. A stop is passed on to all, as SIGTERM. */
export async function workerPerDevice(options: HostOptions): Promise<ExitCode> {
  const { devices, rules = usualRules, stop } = options;
  const restarts = new Restarts(devices.length, rules);
  const onStop = (): void => restarts.stop();
  if (stop.aborted) onStop();
  stop.addEventListener('abort', onStop, { once: true });
  await Promise.all(devices.map((device, i) => keepWorking(device, i, { ...options, restarts })));
  return restarts.exitCode;
}

async function keepWorking(
  device: HostDevice,
  number: number,
  options: HostOptions & { readonly restarts: Restarts },
): Promise<void> {
  const { restarts, stop, log, faultOf = async () => '' } = options;
  let told: Readonly<Record<string, string>> = {};
  for (;;) {
    const { end, lines } = await work(device, told, options);
    told = toldNext(end.signal, lines);
    const decision = restarts.ended(number, end);
    if (decision.type === 'over') return;
    const fault = (await unlessStopped(faultOf(device, stop), stop)) ?? '';
    const reason = `${decision.reason}${fault === '' ? '' : `; the driver says: ${fault}`}`;
    if (decision.type === 'out') return void log(`taken out: ${reason}`, device.name);
    log(`${reason}; started again in ${decision.afterMs / 1000} s (fault ${decision.fault})`, device.name);
    if (await pause(decision.afterMs, stop)) return void restarts.leave(number);
  }
}

interface Worked {
  readonly end: WorkerEnd;
  /** What it said last. */
  readonly lines: readonly string[];
}

/** One process from its start to its end. @param told what it is told of the one before it @throws Error when it cannot be started */
function work(
  device: HostDevice,
  told: Readonly<Record<string, string>>,
  { command, pinning, stop, log }: HostOptions,
): Promise<Worked> {
  const pinned = device.cores === null || pinning === null ? [] : [...pinning, device.cores.join(',')];
  const demanded = device.isGpuDemanded && !command.includes('--gpu') ? ['--gpu'] : [];
  const [file = process.execPath, ...args] = [...pinned, ...command, ...demanded];
  const startedMs = performance.now();
  const child = spawn(file, args, {
    // Its input ends with this process, however that one ends, and the worker with it.
    stdio: ['pipe', 'inherit', 'pipe'],
    env: { ...process.env, CUDA_VISIBLE_DEVICES: device.cuda, STILLHOUSE_DEVICE: device.name, ...told },
  });
  const lines = readLines(child.stderr, (line) => log(line, device.name));
  const onStop = (): void => void child.kill('SIGTERM');
  stop.addEventListener('abort', onStop, { once: true });
  if (stop.aborted) onStop();
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      stop.removeEventListener('abort', onStop);
      const end = { code, signal, livedMs: performance.now() - startedMs, lastLine: reasonIn(lines) ?? '' };
      resolve({ end, lines });
    });
  });
}

/** What the work gives; null at once when the host stops. */
async function unlessStopped<T>(work: Promise<T>, stop: AbortSignal): Promise<T | null> {
  const ended = new AbortController();
  const stopped = new Promise<null>((resolve) => {
    stop.addEventListener('abort', () => resolve(null), { once: true, signal: ended.signal });
    if (stop.aborted) resolve(null);
  });
  try {
    return await Promise.race([stopped, work]);
  } finally {
    ended.abort();
  }
}

/** Resolves to true at once when the host stops. */
function pause(ms: number, stop: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (isStopped: boolean): void => {
      clearTimeout(timer);
      stop.removeEventListener('abort', onStop);
      resolve(isStopped);
    };
    const timer = setTimeout(() => end(false), ms);
    const onStop = (): void => end(true);
    stop.addEventListener('abort', onStop, { once: true });
    if (stop.aborted) onStop();
  });
}
