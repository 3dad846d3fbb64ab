/** What is fuzzed: the seam between the fuzzer and the parts of the program that take what comes from elsewhere. */
import { ProtocolError, UserError } from '../../shared/errors.js';
import type { RandomStream } from '../../shared/random.js';

export type Outcome = 'accepted' | 'refused';

export interface OpenTarget {
  /**
   * Makes one case by the random numbers alone and hands it over. Returning is acceptance.
   * @throws UserError or ProtocolError for a refusal; anything else is a finding
   */
  run(random: RandomStream): Promise<void> | void;
  close?(): Promise<void>;
}

export interface Target {
  readonly name: string;
  /** Its share of the cases; a slow target has a small one. */
  readonly share: number;
  open(folder: string): Promise<OpenTarget>;
}

/** What a case may take, in milliseconds of the processor's time, and in bytes of memory that stay with the process. */
export const bounds = { cpuMs: 5_000, residentBytes: 3 * 2 ** 30 } as const;

/** @returns how a case ended; the finding, in words, where it did not end as it should */
export async function outcomeOf(target: OpenTarget, random: RandomStream): Promise<Outcome | { finding: string }> {
  const before = process.cpuUsage();
  const outcome = await attempt(target, random);
  const { user, system } = process.cpuUsage(before);
  const cpuMs = (user + system) / 1000;
  if (cpuMs > bounds.cpuMs) return { finding: `it took ${Math.round(cpuMs)} ms of the processor's time` };
  const resident = process.memoryUsage.rss();
  if (resident > bounds.residentBytes) return { finding: `the process holds ${resident} bytes after it` };
  return outcome;
}

async function attempt(target: OpenTarget, random: RandomStream): Promise<Outcome | { finding: string }> {
  try {
    await target.run(random);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof UserError) && !(error instanceof ProtocolError))
      return { finding: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    const stack = /\n\s+at /.test(error.message);
    if (stack || error.message.length > 20_000)
      return { finding: `a message of that form: ${error.message.slice(0, 500)}` };
    return 'refused';
  }
}
