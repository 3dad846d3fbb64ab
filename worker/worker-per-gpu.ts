/**
 * One worker process for each GPU of this machine: each sees its own device alone, says its lines under the device's
 * number, and ends with the run.
 */
import { spawn } from 'node:child_process';
import { exitCodes, type ExitCode } from '../shared/errors.js';

export interface WorkerPerGpuOptions {
  /** CUDA's numbers of the devices. */
  readonly gpus: readonly number[];
  /** The command line of one worker. */
  readonly command: readonly string[];
  readonly stop: AbortSignal;
  readonly log: (line: string) => void;
}

/** Resolves once all have ended: with the first exit code that is not 0, if any. A stop is passed on to all. */
export async function workerPerGpu({ gpus, command, stop, log }: WorkerPerGpuOptions): Promise<ExitCode> {
  const [file = process.execPath, ...args] = command;
  const ends = gpus.map((gpu) => {
    const child = spawn(file, args, {
      stdio: ['ignore', 'inherit', 'pipe'],
      env: { ...process.env, CUDA_VISIBLE_DEVICES: String(gpu) },
    });
    stop.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.split('\n')) if (line.trim() !== '') log(`gpu ${gpu}: ${line}`);
    });
    return new Promise<ExitCode>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(Object.values(exitCodes).find((known) => known === code) ?? exitCodes.bug));
    });
  });
  const codes = await Promise.all(ends);
  return codes.find((code) => code !== exitCodes.done) ?? exitCodes.done;
}
