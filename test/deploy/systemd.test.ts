/** The units of deploy/systemd, as systemd itself reads them. Nothing is started: that needs a machine that systemd runs. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { Command, CommanderError } from 'commander';
import { verb as coordinatorVerb } from '../../cli/coordinator.js';
import { verb as workerVerb } from '../../cli/worker.js';
import { exitCodes } from '../../shared/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-systemd-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The unit with a program that is here in place of the installed one, since systemd looks whether it is. */
function unit(name: string, change: (text: string) => string = (text) => text): string {
  const text = readFileSync(fileURLToPath(new URL(`../../deploy/systemd/${name}`, import.meta.url)), 'utf8');
  const path = join(folder, name);
  writeFileSync(path, change(text).replaceAll('/usr/local/bin/stillhouse', process.execPath));
  return path;
}

function analyze(...args: readonly string[]): string {
  return execFileSync('systemd-analyze', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** What systemd finds wrong with a unit; empty for nothing. */
function complaintsAbout(path: string): string {
  return spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' }).stderr;
}

describe.each(['stillhouse-coordinator.service', 'stillhouse-worker@.service'])('%s', (name) => {
  it('is understood by systemd, line by line', () => {
    expect(complaintsAbout(unit(name))).toBe('');
    expect(complaintsAbout(unit(name, (text) => text.replace('KillMode', 'KilMode')))).toMatch(/Unknown key.*KilMode/);
  });

  it('is hardened', () => {
    // 0 is the best of 10 in steps of 0.1; what it lacks is what a network service and WebAssembly need.
    expect(analyze('security', '--offline=true', '--no-pager', '--threshold=25', unit(name))).toContain('OK');
    const soft = unit(name, (text) =>
      text.replace(/^(Protect|Restrict|SystemCall|NoNew|Capability|Private).*\n/gm, ''),
    );
    expect(() => analyze('security', '--offline=true', '--no-pager', '--threshold=25', soft)).toThrow();
  });

  it('starts again what a new start can mend, and calls a stop in good order none', () => {
    const text = readFileSync(unit(name), 'utf8');
    expect(text).toContain(`SuccessExitStatus=${exitCodes.stopped}\n`);
    const { usage, data, refused, noGpu } = exitCodes;
    expect(text).toContain(`RestartPreventExitStatus=${[usage, data, refused, noGpu].join(' ')}\n`);
  });

  it('calls a command with flags that there are', async () => {
    const line = /^ExecStart=\S+ (.*)$/m.exec(readFileSync(unit(name), 'utf8'))?.[1] ?? '';
    const words = line.replace('${STILLHOUSE_LISTEN}', '127.0.0.1:0').replace('${STILLHOUSE_URL}', 'ws://127.0.0.1:1');
    const program = new Command().exitOverride();
    for (const verb of [coordinatorVerb, workerVerb]) verb(program);
    for (const command of program.commands) command.exitOverride().action(() => undefined);
    const given = words.replace('%I', 'cpu:1').split(' ');
    await expect(program.parseAsync(given, { from: 'user' })).resolves.toBeDefined();
    const odd = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
    for (const verb of [coordinatorVerb, workerVerb]) verb(odd);
    for (const command of odd.commands)
      command
        .exitOverride()
        .configureOutput({ writeErr: () => undefined })
        .action(() => undefined);
    await expect(odd.parseAsync([...given, '--no-such-flag'], { from: 'user' })).rejects.toThrow(CommanderError);
  });
});
