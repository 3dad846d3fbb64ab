/** What a person sees on a terminal: a pseudo-terminal of `script`, which is on every Debian. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, openSync, writeFileSync, writeSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Program, soon } from '../../bench/programs.js';
import { barsRecipe, steps, writeBars } from './bars.js';
import { scratchFolder } from './processes.js';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
const started: ChildProcess[] = [];
afterAll(() => {
  started.forEach((child) => child.kill('SIGKILL'));
  scratch.remove();
});
beforeAll(() => {
  writeBars(scratch.path);
  mkdirSync(at('cache'));
  writeFileSync(at('recipe.yaml'), barsRecipe({ student: '{ builtin: mlp, hidden: [256] }' }));
  // Long enough to be stopped in the middle.
  const line = `${Array.from({ length: 65 }, (_, i) => i % 4).join()}\n`.repeat(1000);
  mkdirSync(at('long'));
  const file = openSync(at('long/images.csv'), 'w');
  for (let i = 0; i < 200; i++) writeSync(file, line);
  closeSync(file);
  writeFileSync(at('long/recipe.yaml'), barsRecipe({ student: '{ builtin: mlp, hidden: [256] }' }));
});

class Terminal {
  text = '';
  readonly child: ChildProcess;
  readonly code: Promise<number | null>;

  constructor(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const { FORCE_COLOR: _, NO_COLOR: __, ...inherited } = process.env;
    const command = ['stty', 'cols', '100;', 'exec', process.execPath, cli, ...args].join(' ');
    this.child = spawn('script', ['-qec', command, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...inherited, TERM: 'xterm', STILLHOUSE_CACHE: at('cache'), ...environment },
    });
    started.push(this.child);
    this.child.stdout?.on('data', (data: Buffer) => (this.text += data.toString()));
    this.code = new Promise((resolve) => this.child.once('close', resolve));
  }

  async shows(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.text)) {
      if (this.child.exitCode !== null) throw new Error(`ended before it showed ${pattern}:\n${this.text}`);
      await soon();
    }
  }
}

const escape = '\u001b';

describe.skipIf(!existsSync('/usr/bin/script'))('a terminal', () => {
  it('shows what is read, then the run in two lines, and its results behind', async () => {
    const terminal = new Terminal(['run', at('recipe.yaml'), '--workers', '1', '--out', at('runs/seen')]);
    expect(await terminal.code, terminal.text).toBe(0);
    const { text } = terminal;
    expect(text).toContain(`\r${escape}[Kreading data (csv)`);
    expect(text).toContain(`\r${escape}[Ktotal = 0.5 x crossEntropy\r\n`);
    expect(text).toMatch(/█ ?\S*░?\S* \d+\/30 steps \|.* samples\/s \| 1 worker\r\ncrossEntropy \d/);
    expect(text).toContain(`${escape}[36m█`);
    expect(text).toContain(`\r${escape}[1A${escape}[Jepoch 6: loss`);
    const behind = text.slice(text.lastIndexOf(`${escape}[J`));
    expect(behind).toContain(`${steps} steps,`);
    expect(behind).not.toContain('█');
  });

  it('has no colours with NO_COLOR, and another than a terminal has none and no line of work', async () => {
    const args = ['validate', at('recipe.yaml')];
    const terminal = new Terminal(['run', at('recipe.yaml'), '--workers', '1', '--out', at('runs/grey')], {
      NO_COLOR: '1',
    });
    expect(await terminal.code, terminal.text).toBe(0);
    expect(terminal.text).toContain('█');
    expect(terminal.text).not.toMatch(new RegExp(`${escape}\\[\\d*m`));
    const elsewhere = await new Program(args, { STILLHOUSE_CACHE: at('cache') }, 100_000).ended;
    expect([elsewhere.code, elsewhere.stderr.includes(escape), elsewhere.stderr.includes('reading')]).toEqual([
      0,
      false,
      false,
    ]);
  });

  it('stops what comes before a run at once at Ctrl-C, with 75', async () => {
    const terminal = new Terminal(['run', at('long/recipe.yaml'), '--workers', '1', '--out', at('runs/long')]);
    await terminal.shows(/reading data/);
    terminal.child.stdin?.write('\u0003');
    expect(await terminal.code, terminal.text).toBe(75);
    expect(terminal.text).toContain('stopped (SIGINT) before there was anything to keep; run the same command again');
    expect(terminal.text).not.toContain('distilling');
    expect(existsSync(at('runs/long'))).toBe(false);
  });
});
