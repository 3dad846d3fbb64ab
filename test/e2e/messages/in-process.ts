/** The program's command line without a process of its own: a start costs most of a second, and there are many to try. */
import { exitCodeOf } from '../../../cli/endings.js';
import { program } from '../../../cli/program.js';

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one verb as `cli.ts` does. What it writes to either stream is kept from the terminal. */
export async function stillhouse(args: readonly string[]): Promise<Said> {
  const said = { stdout: '', stderr: '' };
  const own = { stdout: process.stdout.write.bind(process.stdout), stderr: process.stderr.write.bind(process.stderr) };
  for (const name of ['stdout', 'stderr'] as const)
    process[name].write = (chunk: unknown, ...more: unknown[]): boolean => {
      said[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString();
      for (const one of more) if (typeof one === 'function') (one as () => void)();
      return true;
    };
  try {
    await (await program()).parseAsync([...args], { from: 'user' });
    return { ...said, code: Number(process.exitCode ?? 0) };
  } catch (error) {
    const code = exitCodeOf(error);
    return { ...said, code };
  } finally {
    process.exitCode = undefined;
    process.stdout.write = own.stdout;
    process.stderr.write = own.stderr;
  }
}
