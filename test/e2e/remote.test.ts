/** Runs whose files lie on a server with TLS, with real processes. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitsOf, Program, type Ended } from '../../bench/programs.js';
import { makeCertificates } from '../../cli/certificates.js';
import { FileServer } from '../cli/prepare/remote/file-server.js';
import { barsRecipe, writeBars } from './bars.js';
import { curveOf, digestOf, scratchFolder } from './processes.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
const secret = 'f00df00df00d';
let server: FileServer;

beforeAll(async () => {
  writeBars(scratch.path);
  mkdirSync(at('tls'));
  makeCertificates(at('tls'), { names: ['127.0.0.1'], days: 3, nowMs: Date.now() });
  const pem = (name: string): string => readFileSync(at(`tls/${name}`), 'utf8');
  server = await FileServer.start({ cert: pem('server.pem'), key: pem('server.key') });
  server.put('/images.csv', readFileSync(at('images.csv')));
});
afterAll(async () => {
  await server.stop();
  scratch.remove();
});

/** A recipe of the bars, with other names for its data. */
function recipe(
  name: string,
  train: string,
  more: { readonly evaluation?: string; readonly epochs?: number } = {},
): string {
  const { evaluation = train, epochs = 6 } = more;
  const [before = '', middle = '', after = ''] = barsRecipe({ student: '{ builtin: mlp, hidden: [16] }' }).split(
    'images.csv',
  );
  const text = `${before}"${train}"${middle}"${evaluation}"${after}`.replace(/epochs: \d+/, `epochs: ${epochs}`);
  writeFileSync(at(name), text);
  return at(name);
}

function start(verb: string, file: string, ...more: string[]): Program {
  const environment = { STILLHOUSE_CACHE: at('cache'), NODE_EXTRA_CA_CERTS: at('tls/ca.pem') };
  return new Program([verb, file, ...more], environment, 100_000);
}

const ended = async (verb: string, file: string, ...more: string[]): Promise<Ended> => start(verb, file, ...more).ended;

describe('a run with files of another machine', () => {
  it('has the bits of one with the same files on this machine', async () => {
    const near = await ended('run', recipe('near.yaml', 'images.csv'), '--workers', '1', '--out', at('near'));
    const far = await ended(
      'run',
      recipe('far.yaml', `${server.url}/images.csv`),
      '--workers',
      '1',
      '--out',
      at('far'),
    );
    expect([near.code, far.code], far.stderr).toEqual([0, 0]);
    expect(digestOf(at('far'))).toBe(digestOf(at('near')));
    expect(curveOf(at('far'))).toEqual(curveOf(at('near')));
    expect(far.stderr).toContain(`fetching ${server.url}/images.csv: 1 file, `);
  });

  it('is refused with one line when a file has changed before it goes on, and goes on with the old one', async () => {
    const file = recipe('long.yaml', `${server.url}/long.csv`, { epochs: 5_000 });
    const old = server.put('/long.csv', readFileSync(at('images.csv')));
    const first = start('run', file, '--workers', '1', '--out', at('long'));
    await first.says(/epoch 2/);
    first.child.kill('SIGTERM');
    expect((await first.ended).code).toBe(75);
    server.put('/long.csv', old.toString().replace(/^./, '9'));
    const refused = await ended('run', file, '--workers', '1', '--out', at('long'));
    expect(refused.code).toBe(65);
    expect(refused.stderr).toMatch(
      /long\.csv: it has changed since this run began: \d+ bytes, ETag "\w+", SHA-256 \w{64} then, \d+ bytes, ETag "\w+", SHA-256 \w{64} now;/,
    );
    server.put('/long.csv', old);
    const steps = commitsOf(at('long')).length;
    const again = start('run', file, '--workers', '1', '--out', at('long'));
    await again.says(/epoch \d+: loss/);
    again.child.kill('SIGTERM');
    expect((await again.ended).code).toBe(75);
    expect(commitsOf(at('long')).length).toBeGreaterThan(steps);
  }, 300_000);

  it('writes down no signature and no password', async () => {
    server.put('/signed.csv', readFileSync(at('images.csv')));
    server.intercept = ({ url = '' }, response) => {
      if (!url.startsWith('/signed.csv') || url.includes(`X-Amz-Signature=${secret}`)) return false;
      response.writeHead(403).end();
      return true;
    };
    const name = (signature: string): string => `${server.url}/signed.csv?X-Amz-Date=1&X-Amz-Signature=${signature}`;
    const run = await ended('run', recipe('signed.yaml', name(secret)), '--workers', '1', '--out', at('signed'));
    expect(run.code, run.stderr).toBe(0);
    expect(readFileSync(at('signed/recipe.yaml'), 'utf8')).toContain('X-Amz-Signature=***');
    const wrong = await ended('validate', recipe('wrong.yaml', name('deadbeef')));
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('the server refuses access (403)');
    const user = await ended('validate', recipe('user.yaml', 'https://me:hunter2@127.0.0.1/a.csv'));
    expect(user.code).toBe(2);
    expect(user.stderr).toContain('https://***@127.0.0.1/a.csv: a user or a password in the address');
    const said = [run, wrong, user].map(({ stdout, stderr }) => stdout + stderr).join('');
    for (const word of [secret, 'deadbeef', 'hunter2']) expect(said).not.toContain(word);
    expect(textIn(at('signed')) + textIn(at('cache'))).not.toContain(secret);
  });

  it('is told of all that is missing before anything is read', async () => {
    const file = recipe('missing.yaml', `${server.url}/no.csv`, { evaluation: `${server.url}/none.csv` });
    server.seen.length = 0;
    const found = await ended('validate', file);
    expect(found.code).toBe(2);
    expect(found.stderr).toMatch(
      /data\.train\.inputs: \S+\/no\.csv given; a file that is there wanted\n.*data\.eval\.inputs: \S+\/none\.csv given/,
    );
    expect(server.seen.map(({ method }) => method)).toEqual(['HEAD', 'HEAD']);
  });

  it('says so where the server is not trusted or not there', async () => {
    const environment = { STILLHOUSE_CACHE: at('cache') };
    const untrusted = await new Program(['validate', at('far.yaml')], environment, 100_000).ended;
    expect(untrusted.code).toBe(77);
    expect(untrusted.stderr).toContain("the server's certificate is not trusted");
    const gone = await ended('validate', recipe('gone.yaml', 'https://127.0.0.1:1/images.csv'));
    expect(gone.code).toBe(69);
    expect(gone.stderr).toContain('https://127.0.0.1:1/images.csv: it cannot be reached (ECONNREFUSED), 6 times');
  });
});

function textIn(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name + readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');
}
