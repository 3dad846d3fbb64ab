/** What this host has for its workers: cores that they may use, and a way to pin them. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { readCores } from './list.js';

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
