/** TLS with real processes: certificates by the program alone, and a run through them. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Program, type Ended } from '../../bench/programs.js';
import { makeCertificates } from '../../cli/certificates.js';
import { barsRecipe, writeBars } from './bars.js';
import { curveOf, scratchFolder, token } from './processes.js';

const scratch = scratchFolder();
const folder = scratch.path;
const tls = join(folder, 'tls');
afterAll(() => scratch.remove());

/** More than there is time for: the runs are stopped, so that certificates can be changed in the middle however slow a machine is. */
const epochs = 100_000;

beforeAll(async () => {
  writeBars(folder);
  writeFileSync(
    join(folder, 'recipe.yaml'),
    barsRecipe({ student: '{ builtin: mlp, hidden: [16] }' }).replace(/epochs: \d+/, `epochs: ${epochs}`),
  );
  await ended('token', '--tls', tls, '--name', 'trainer.example');
});

function start(name: string, ...args: string[]): Program {
  const cache = join(folder, 'caches', name);
  mkdirSync(cache, { recursive: true });
  return new Program(args, { STILLHOUSE_CACHE: cache, STILLHOUSE_TOKEN: token }, 100_000);
}

const ended = (...args: string[]): Promise<Ended> => start('once', ...args).ended;

function coordinator(out: string, ...more: string[]): Program {
  const recipe = join(folder, 'recipe.yaml');
  return start('coordinator', 'coordinator', recipe, '--listen', '127.0.0.1:0', '--out', join(folder, out), ...more);
}

const wss = /worker '?(wss:\/\/127\.0\.0\.1:\d+)(\?fingerprint=[0-9a-f]{64})?'?/;

describe('a run over mutual TLS', () => {
  it('has the bits of one without, and loses no worker when the certificate is made anew in the middle', async () => {
    const plain = coordinator('plain');
    const [, url = ''] = await plain.says(/worker (ws:\S+)/);
    const alone = start('w0', 'worker', url, '--backend', 'wasm');
    await plain.says(/epoch 8/);
    expect(await stopped(plain, alone)).toEqual([75, 75]);

    const mutual = ['--tls', tls, '--tls-client-ca', join(tls, 'ca.pem')];
    const secure = coordinator('secure', ...mutual);
    const [, address = '', pin = ''] = await secure.says(wss);
    expect(pin).toMatch(/^\?fingerprint=/);
    const first = start('w1', 'worker', `${address}${pin}`, '--tls', tls, '--backend', 'wasm');
    await secure.says(/epoch 1/);
    const before = readFileSync(join(tls, 'server.pem'), 'utf8');
    makeCertificates(tls, { names: ['127.0.0.1'], days: 3, nowMs: Date.now() });
    expect(readFileSync(join(tls, 'server.pem'), 'utf8')).not.toBe(before);
    await secure.says(/has changed; who connects from now on is shown the new certificate/);
    const second = start('w2', 'worker', `${address}${pin}`, '--tls', tls, '--backend', 'wasm');
    await secure.says(/w2 \(.*\) is ready[^]*\nepoch/);
    expect(await stopped(secure, first, second)).toEqual([75, 75, 75]);
    expect(first.stderr).not.toContain('connection lost');
    const [open, encrypted] = [curveOf(join(folder, 'plain')), curveOf(join(folder, 'secure'))];
    const steps = Math.min(open.length, encrypted.length);
    expect(steps).toBeGreaterThan(0);
    expect(encrypted.slice(0, steps)).toEqual(open.slice(0, steps));
  });

  /** Stops the run. @returns the exit codes of all */
  async function stopped(coordinator: Program, ...workers: Program[]): Promise<(number | null)[]> {
    coordinator.child.kill('SIGINT');
    return Promise.all([coordinator, ...workers].map(async (program) => (await program.ended).code));
  }
});
