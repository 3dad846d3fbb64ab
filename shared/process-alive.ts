/** Whether other processes live. */
import { codeOf } from './errors.js';

/** Whether a process of this number runs on this host, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}
