/** What signals do to a process before, in and behind work that stops in good order. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const built = JSON.stringify(fileURLToPath(new URL('../../dist/bench/built.js', import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-signals-'));
const children: ChildProcess[] = [];
afterAll(() => {
  children.forEach((child) => child.kill('SIGKILL'));
  rmSync(folder, { recursive: true, force: true });
});

const prelude = `
  import { fillFolder, inGoodOrder, onEndAtOnce, runCommand, stopInOrder } from ${built};
  const stays = setInterval(() => undefined, 1e6);
  onEndAtOnce((signal) => console.log('at once: ' + signal));
  const aborted = (stop) => new Promise((resolve) => stop.addEventListener('abort', () => resolve(stop.reason)));
`;

/** Sends a signal for each line that ends in `...`. @returns its exit code and its lines */
async function signalled(script: string, signal: NodeJS.Signals): Promise<[code: number | null, lines: string[]]> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', prelude + script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more;
    if (more.trimEnd().endsWith('...')) child.kill(signal);
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return [code, text.trim().split('\n')];
}

describe.each(['SIGINT', 'SIGTERM', 'SIGUSR1'] as const)('%s', (signal) => {
  it('asks for a stop in work that stops in good order, and ends the process at once behind it', async () => {
    const script = `
      await inGoodOrder(async (stop) => { console.log('works...'); console.log(await aborted(stop)); });
      console.log('behind...');`;
    expect(await signalled(script, signal)).toEqual([75, ['works...', signal, 'behind...', `at once: ${signal}`]]);
  });

  it('ends the process at once behind work that failed', async () => {
    const script = `
      await inGoodOrder(() => Promise.reject(new Error('no'))).catch(() => undefined);
      console.log('behind...');`;
    expect(await signalled(script, signal)).toEqual([75, ['behind...', `at once: ${signal}`]]);
  });

  it('asks for a stop in all that follows, where all of it stops in good order', async () => {
    const script = `
      const stop = stopInOrder();
      await inGoodOrder(async () => undefined);
      console.log('goes on...'); console.log(await aborted(stop)); process.exit(3);`;
    expect(await signalled(script, signal)).toEqual([3, ['goes on...', signal]]);
  });
});

describe('an install that is told to end', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'by %s leaves no scratch folder, and no program that writes there',
    async (signal) => {
      const target = join(folder, signal, 'cpu');
      const alive = join(folder, `${signal}-alive`);
      const script = `
      await fillFolder(${JSON.stringify(target)}, async (scratch) => {
        const busy = 'mkdir "$0/a"; echo $$ > "$1"; echo works...; while :; do mkdir -p "$0/a"; : > "$0/a/file"; done';
        const running = runCommand('sh', ['-c', busy, scratch, ${JSON.stringify(alive)}], { showOutput: true });
        process.stderr.write = (text) => process.stdout.write(text);
        await running;
      });`;
      expect(await signalled(script, signal)).toEqual([75, ['works...', `at once: ${signal}`]]);
      expect(existsSync(alive)).toBe(true);
      expect(readdirSync(join(folder, signal))).toEqual([]);
    },
  );
});
