/** Which files TLS is given, what they are made of, and what the line to join with says then. */
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificates, namesBefore } from '../../cli/certificates.js';
import { joinLine } from '../../cli/credentials.js';
import { certificatesHere, localTls, serverTls, shownCertificate, workerTls } from '../../cli/tls.js';
import { fingerprintOf } from '../../shared/tls/certificates.js';
import { CoordinatorClient } from '../../worker/link/coordinator-client.js';
import { checkCertificate } from '../../worker/tools/doctor/certificates.js';

const dayMs = 86_400_000;
const nowMs = Date.now();
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-tls-'));
const at = (name: string): string => join(folder, name);
const names = ['trainer.example', '10.1.2.3'];

beforeAll(() => void makeCertificates(folder, { names, days: 30, nowMs }));
afterAll(() => rmSync(folder, { recursive: true }));

const rootOf = (): X509Certificate => new X509Certificate(readFileSync(at('ca.pem')));

describe('token --tls', () => {
  it('makes keys that their owner alone may read', () => {
    for (const key of ['ca.key', 'server.key', 'client.key']) expect(statSync(at(key)).mode & 0o777).toBe(0o600);
  });

  it('makes new certificates by the CA that is there, and knows the names of those before', () => {
    const before = readFileSync(at('ca.pem'), 'utf8');
    expect(namesBefore(folder)).toEqual(names);
    expect(makeCertificates(folder, { names, days: 60, nowMs }).isNew).toBe(false);
    expect(readFileSync(at('ca.pem'), 'utf8')).toBe(before);
    const server = new X509Certificate(readFileSync(at('server.pem')));
    expect(server.verify(rootOf().publicKey)).toBe(true);
    expect(Date.parse(server.validTo)).toBe(Math.floor(nowMs / 1000) * 1000 + 60 * dayMs);
  });
});

describe('the files of a coordinator', () => {
  const ofFolder = { cert: { flag: '--tls', path: at('server.pem') }, key: { flag: '--tls', path: at('server.key') } };

  it('are those of the folder, of the flags, or of the environment', () => {
    expect(serverTls({}, {})).toBeNull();
    expect(serverTls({ tls: folder }, {})).toEqual({ ...ofFolder, clientCa: null, clientNames: [] });
    expect(serverTls({}, { STILLHOUSE_TLS: folder })?.cert.path).toBe(at('server.pem'));
    expect(
      serverTls(
        { tlsCert: 'a', tlsKey: 'b', tlsClientName: ['w'] },
        { STILLHOUSE_TLS_CERT: 'no', STILLHOUSE_TLS_CLIENT_CA: 'c' },
      ),
    ).toEqual({
      cert: { flag: '--tls-cert', path: 'a' },
      key: { flag: '--tls-key', path: 'b' },
      clientCa: { flag: 'STILLHOUSE_TLS_CLIENT_CA', path: 'c' },
      clientNames: ['w'],
    });
  });

  it.each([
    [{ tlsCert: 'a' }, /--tls-cert a: its key \(--tls-key\) wanted beside it/],
    [{ tlsKey: 'a' }, /--tls-key a: the certificate \(--tls-cert\) wanted beside it/],
    [{ tlsClientCa: 'a' }, /--tls-client-ca a: --tls, or --tls-cert and --tls-key, wanted beside it/],
    [{ tls: 'x', tlsClientName: ['w'] }, /--tls-client-name w: --tls-client-ca wanted beside it/],
  ])('are not %j', (flags, text) => {
    expect(() => serverTls(flags, {})).toThrow(text);
  });

  it.each([
    ['gone', { tls: at('none') }, /--tls \S+server.pem: cannot be read; a PEM file was wanted/],
    ['no certificate', { tlsCert: at('ca.key'), tlsKey: at('ca.key') }, /--tls-cert \S+: holds no certificate/],
    ['no key', { tlsCert: at('ca.pem'), tlsKey: at('ca.pem') }, /--tls-key \S+: holds no private key/],
    [
      'another key',
      { tlsCert: at('ca.pem'), tlsKey: at('server.key') },
      /server.key: not the key of --tls-cert \S+ca.pem/,
    ],
  ])('are refused: %s', (_name, flags, text) => {
    const files = serverTls(flags, {});
    if (files === null) throw new Error('no files');
    expect(() => shownCertificate(files)).toThrow(text);
  });
});

describe('the files of a worker', () => {
  it('are the CA, and a certificate where the folder has one', () => {
    expect(workerTls({}, {})).toEqual({ ca: null, own: null });
    const { ca, own } = workerTls({ tls: folder }, {});
    expect([ca?.path, own?.cert.path, own?.key.path]).toEqual([at('ca.pem'), at('client.pem'), at('client.key')]);
    const bare = mkdtempSync(join(folder, 'bare-'));
    expect(workerTls({}, { STILLHOUSE_TLS: bare })).toEqual({
      ca: { flag: 'STILLHOUSE_TLS', path: join(bare, 'ca.pem') },
      own: null,
    });
  });

  it.each([
    ['ws://h:1', workerTls({ tlsCa: 'a' }, {}), /ws:\/\/h:1: --tls-ca a given; wss:\/\/ was wanted/],
    ['ws://h:1?fingerprint=12', undefined, /\?fingerprint= given; wss:\/\/ was wanted, since ws:\/\/ shows no cert/],
    ['wss://h:1?fingerprint=12', undefined, /\?fingerprint=12 given; the 64 hex digits of a SHA-256 were wanted/],
    ['wss://h:1?token=secret', undefined, /^(?!.*secret).*\?token= given; \?fingerprint=, \?ca= or \?name= .* wanted/],
  ])('must fit the address: %s', (url, tls, text) => {
    expect(() => new CoordinatorClient({ url, token: null, tls })).toThrow(text);
  });
});

describe('the line to join with', () => {
  it('holds the fingerprint of the CA, and addresses that the certificate is for', () => {
    const files = serverTls({ tls: folder }, {});
    if (files === null) throw new Error('no files');
    const shown = shownCertificate(files);
    const pin = fingerprintOf(rootOf());
    expect(shown).toEqual({ fingerprint: pin, names });
    const line = (host: string, own: string[]): string =>
      joinLine({ host, port: 7 }, { isTold: true, tls: { shown } }, '', own);
    expect(line('0.0.0.0', ['10.9.9.9', '10.1.2.3', 'den'])).toBe(
      `join with:  STILLHOUSE_TOKEN=... stillhouse worker 'wss://10.1.2.3:7?fingerprint=${pin}'`,
    );
    expect(line('0.0.0.0', ['10.9.9.9'])).toContain(
      `'wss://trainer.example:7?fingerprint=${pin}'   (or wss://10.1.2.3:7)`,
    );
    expect(localTls({ clientCa: null, shown }, {})).toEqual({
      query: `name=trainer.example&fingerprint=${pin}`,
      flags: [],
    });
    const clientCa = { flag: '--tls-client-ca', path: at('ca.pem') };
    expect(localTls({ clientCa, shown }, { tls: folder }).flags).toEqual(['--tls', folder]);
    expect(() => localTls({ clientCa, shown }, {})).toThrow(
      /--tls-client-ca \S+: local workers need a certificate too/,
    );
  });

  it('pins nothing where the CA is not in the file', () => {
    const [own = ''] = readFileSync(at('server.pem'), 'utf8').split(/(?<=-----END CERTIFICATE-----\n)/);
    writeFileSync(at('alone.pem'), own);
    const files = serverTls({ tlsCert: at('alone.pem'), tlsKey: at('server.key') }, {});
    if (files === null) throw new Error('no files');
    const shown = shownCertificate(files);
    expect(joinLine({ host: '10.1.2.3', port: 7 }, { isTold: false, tls: { shown } })).toBe(
      'join with:  stillhouse worker wss://10.1.2.3:7',
    );
  });
});

describe('doctor', () => {
  it('says names and end of each certificate, warns before the end and fails after it', () => {
    const found = certificatesHere({ tls: folder }, {});
    const later = (days: number) => found.map((one) => checkCertificate(one, nowMs + days * dayMs));
    expect(later(0).map(({ state, finding }) => [state, finding])).toEqual([
      ['ok', expect.stringMatching(/ca\.pem: Stillhouse CA \w{8}, good until 20/)],
      ['ok', expect.stringMatching(/server\.pem: trainer\.example, 10\.1\.2\.3, good until 20/)],
      ['ok', expect.stringMatching(/client\.pem: stillhouse-worker, good until 20/)],
    ]);
    expect(later(50).map(({ state }) => state)).toEqual(['ok', 'warn', 'warn']);
    expect(later(50)[1]?.finding).toMatch(/; it is good until .*, 9 days; a new one is wanted soon/);
    expect(later(61).map(({ state }) => state)).toEqual(['ok', 'fail', 'fail']);
    expect(later(61)[1]?.finding).toMatch(/; it was good until .*; a new one is wanted/);
  });
});
