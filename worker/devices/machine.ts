/** What this host has for its workers: cores that they may use, a way to pin them, and what the driver says of a GPU. */
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { readCores, type HostDevice } from './list.js';

const run = promisify(execFile);

/** The cores that this process may use: by the kernel, else as many as Node counts. */
export function ownCores(): number[] {
  try {
    const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (allowed !== undefined) return readCores(allowed);
  } catch {
    // Not Linux.
  }
  return Array.from({ length: availableParallelism() }, (_, i) => i);
}

/** What pins a process to the cores that follow; null where the machine has no taskset. */
export function findPinning(): readonly string[] | null {
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    return ['taskset', '--cpu-list'];
  } catch {
    return null;
  }
}

/** How long the driver may take to answer, in milliseconds: one whose GPU has fallen off the bus may hang. */
const answerMs = 20_000;

/** What the driver says is wrong with the device: memory errors that were not corrected, or why it does not answer. */
export async function gpuFault({ cuda }: HostDevice): Promise<string> {
  if (!cuda.startsWith('GPU-')) return '';
  const query = ['--query-gpu=ecc.errors.uncorrected.volatile.total', '--format=csv,noheader', `--id=${cuda}`];
  try {
    const { stdout } = await run('nvidia-smi', query, { timeout: answerMs });
    const errors = Number(stdout.trim());
    return errors > 0 ? `${errors} uncorrected ECC errors since the driver was loaded` : '';
  } catch (error) {
    const said = error instanceof Error && 'stdout' in error ? String(error.stdout).trim().split('\n')[0] : '';
    return said === undefined || said === '' ? 'no answer' : said;
  }
}
