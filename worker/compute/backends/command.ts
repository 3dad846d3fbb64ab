/** Runs other programs: npm, pip, the compiler. Never through a shell. */
import { spawn } from 'node:child_process';
import { codeOf } from '../../../shared/errors.js';

/** How a program is run: in which folder, with which environment. */
export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Show what it says, as it says it, on our standard error. */
  readonly showOutput?: boolean;
}

/** How a program ended, and all that it said. */
export interface CommandResult {
  /** Null when it could not be started or was killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly isMissing: boolean;
}

/** Resolves when it has ended, whatever its exit code. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { cwd, env = process.env, showOutput = false } = options;
  return new Promise((resolve) => {
    // In a group of its own, which ends with this process, so that nothing is written once that has cleared its files.
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const end = (): void => endGroup(child.pid);
    process.prependOnceListener('exit', end);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (showOutput) process.stderr.write(text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (showOutput) process.stderr.write(text);
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      process.off('exit', end);
      resolve({ code: null, stdout, stderr: stderr || error.message, isMissing: error.code === 'ENOENT' });
    });
    child.on('close', (code) => {
      process.off('exit', end);
      resolve({ code, stdout, stderr, isMissing: false });
    });
  });
}

/** Ends a program and what it has started. */
function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

/** The last lines of what a command said, as one line for a message. */
export function lastWords({ stderr, stdout }: CommandResult, lines = 3): string {
  const said = (stderr.trim() || stdout.trim()).split('\n').filter((line) => line.trim() !== '');
  return said
    .slice(-lines)
    .map((line) => line.trim())
    .join(' | ')
    .slice(0, 500);
}
