/** Machines that do not give the program what it needs: each is told in one line, with its exit code. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** Runs the built program in a shell, behind what is to be done before. */
function inShell(before: string, args: string): { code: number | null; stderr: string } {
  const command = `${before} exec ${JSON.stringify(process.execPath)} ${JSON.stringify(cli)} ${args}`;
  const { status, stderr } = spawnSync('/bin/sh', ['-c', command], { encoding: 'utf8' });
  return { code: status, stderr };
}

describe('a process without addresses for WebAssembly', () => {
  const before = 'ulimit -v 4000000;';

  it('ends with a line that says what to do', () => {
    const { code, stderr } = inShell(before, 'worker ws://127.0.0.1:1 --wait 0');
    expect([code, stderr]).toEqual([
      69,
      expect.stringMatching(
        /^stillhouse: memory: WebAssembly.*; ulimit -v unlimited was wanted \(now 4000000\), or NODE_OPTIONS=--disable-wasm-trap-handler, .*\n$/,
      ),
    ]);
  });
});

describe('a stdout that takes nothing', () => {
  it('is no success', () => {
    expect(inShell('', 'token > /dev/full')).toEqual({
      code: 69,
      stderr:
        'stillhouse: standard output: no space left on the disk; results were lost, and a file or pipe that takes them was wanted\n',
    });
  });

  it('is one where its reader has gone away', () => {
    expect(inShell('', 'doctor --help | true')).toEqual({ code: 0, stderr: '' });
  });
});

describe('a stderr that takes nothing', () => {
  it('does not end the work', () => {
    expect(inShell('', 'eval no.onnx --data no.yaml 2> /dev/full').code).toBe(2);
  });
});
