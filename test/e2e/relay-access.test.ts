/** A relay with tokens and certificates of its own, upwards and downwards, with real processes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Program } from '../../bench/programs.js';
import { barsRecipe, writeBars } from './bars.js';
import { curveOf, digestOf, scratchFolder } from './processes.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
const tls = at('tls');
const [above, below] = ['a'.repeat(43), 'b'.repeat(43)];
afterAll(() => scratch.remove());

beforeAll(async () => {
  writeBars(scratch.path);
  writeFileSync(at('recipe.yaml'), barsRecipe({ student: '{ builtin: mlp, hidden: [16] }' }));
  writeFileSync(at('above'), `${above}\n`);
  writeFileSync(at('below'), `${below}\n`);
  // The first is what the relay presents upwards; the others let its workers in.
  writeFileSync(at('relay'), `${above}\n${below} role=worker\n`);
  await start('once', 'token', '--tls', tls, '--name', 'trainer.example').ended;
});

function start(name: string, ...args: string[]): Program {
  const cache = join(scratch.path, 'caches', name);
  mkdirSync(cache, { recursive: true });
  return new Program(args, { STILLHOUSE_CACHE: cache }, 100_000);
}

const coordinator = (out: string, ...more: string[]): Program =>
  start('coordinator', 'coordinator', at('recipe.yaml'), '--listen', '127.0.0.1:0', '--out', at(out), ...more);

/** The address that workers are told, with the certificate's fingerprint where there is one. */
async function told(program: Program): Promise<string> {
  const [, url = ''] = await program.says(/worker '?(wss?:\/\/127\.0\.0\.1:\d+(?:\?fingerprint=[0-9a-f]{64})?)'?/);
  return url;
}

const worker = (name: string, url: string, tokens: string, ...more: string[]): Program =>
  start(name, 'worker', url, '--token-file', at(tokens), '--backend', 'wasm', ...more);

it('shows its own token and certificate upwards, and lets in whom its own tokens and CA do', async () => {
  const plain = coordinator('plain', '--token-file', at('above'));
  const alone = worker('w0', await told(plain), 'above');
  expect([(await plain.ended).code, (await alone.ended).code]).toEqual([0, 0]);

  const mutual = ['--tls', tls, '--tls-client-ca', join(tls, 'ca.pem')];
  const secure = coordinator('secure', '--token-file', at('above'), ...mutual);
  const url = await told(secure);
  const relay = start('relay', 'relay', url, '--listen', '127.0.0.1:0', '--token-file', at('relay'), ...mutual);
  const behind = await told(relay);
  expect([url, behind].map((one) => one.slice(0, 6))).toEqual(['wss://', 'wss://']);

  const refused = [worker('w1', url, 'below', '--tls', tls), worker('w2', behind, 'below')];
  expect((await refused[0]?.ended)?.stderr).toMatch(/token missing or wrong/);
  expect((await refused[0]?.ended)?.code).toBe(77);
  // It shows no certificate.
  expect((await refused[1]?.ended)?.code).toBe(77);

  const workers = ['w3', 'w4'].map((name) => worker(name, behind, 'below', '--tls', tls));
  for (const program of [secure, relay, ...workers]) {
    const { code, stderr } = await program.ended;
    expect(code, stderr).toBe(0);
  }
  expect(digestOf(at('secure'))).toBe(digestOf(at('plain')));
  expect(curveOf(at('secure'))).toEqual(curveOf(at('plain')));
});
