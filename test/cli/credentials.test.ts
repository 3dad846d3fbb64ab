import { hostname } from 'node:os';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { joinAccess, joinLine, ownWorkersAlone, pageLine, readToken } from '../../cli/credentials.js';
import { roles } from '../../shared/access/credentials.js';
import { newToken, readLocalToken } from '../../shared/access/local-token.js';
import { temporaryFolder } from '../worker/fakes.js';

const token = newToken();
const listen = (host: string) => ({ host, port: 1 });

function fileOf(text: string): string {
  const file = join(temporaryFolder(), 'token');
  writeFileSync(file, text);
  return file;
}

beforeEach(() => vi.stubEnv('STILLHOUSE_TOKEN', undefined));
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

describe('the token of a worker', () => {
  it('is the first of the file, else of the environment', () => {
    vi.stubEnv('STILLHOUSE_TOKEN', newToken());
    expect(readToken(fileOf(`${token}\n${newToken()}\n`))).toBe(token);
    expect(readToken(undefined)).toBe(process.env.STILLHOUSE_TOKEN);
    expect(readToken(fileOf('short'))).toBe('short');
  });

  it.each(['', '\n', '# none\n'])('is refused in a file that holds %j, whatever the environment says', (text) => {
    vi.stubEnv('STILLHOUSE_TOKEN', token);
    const file = fileOf(text);
    expect(() => readToken(file)).toThrow(`--token-file ${file}`);
  });

  it('is refused where the environment has it empty', () => {
    vi.stubEnv('STILLHOUSE_TOKEN', '');
    expect(() => readToken(undefined)).toThrow('STILLHOUSE_TOKEN: holds no token');
  });
});

describe('who may join', () => {
  it('is nobody beyond loopback without a token, and a file that is no good is never passed over', () => {
    expect(() => joinAccess({ listen: listen('0.0.0.0') })).toThrow(/a token is needed beyond loopback/);
    for (const tokenFile of ['/nowhere/token', fileOf(''), fileOf('short')])
      expect(() => joinAccess({ listen: listen('::1'), tokenFile, insecure: true })).toThrow(
        `--token-file ${tokenFile}`,
      );
  });

  it.each(['localhost', '127.0.0.9', '::1'])(
    'is whatever this user starts on %s, where a token is left that allows everything',
    (host) => {
      const { credentials, announce, token: own } = joinAccess({ listen: listen(host) });
      const retract = announce(65535);
      expect(credentials?.().filter((credential) => credential.token === own)).toEqual(
        roles.map((role) => ({ token: own, role, untilMs: null })),
      );
      expect(readLocalToken(65535)).toBe(own);
      retract();
      expect(readLocalToken(65535)).toBeNull();
    },
  );

  it('is told by the file as it is now; while that is no good, by what it held before', () => {
    const warned = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    const file = fileOf(token);
    const { credentials } = joinAccess({ listen: listen('0.0.0.0'), tokenFile: file });
    const at = (ms: number): string[] | undefined => {
      clock.mockReturnValue(ms);
      return credentials?.().map((one) => one.token);
    };
    const later = newToken();
    writeFileSync(file, `${later}\n${token}\n`);
    expect(at(999)).toEqual([token]);
    expect(at(1000)).toEqual([later, token]);
    writeFileSync(file, '\n');
    expect([at(2000), at(3000)]).toEqual([
      [later, token],
      [later, token],
    ]);
    expect(warned.mock.calls.map(([line]) => String(line))).toEqual([
      expect.stringContaining(
        'holds no token; one of at least 43 characters wanted (stillhouse token makes one); the tokens',
      ),
    ]);
  });

  it('is everybody with --insecure, and that is said', () => {
    const warned = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    expect(joinAccess({ listen: listen('0.0.0.0'), insecure: true }).credentials).toBeNull();
    expect(String(warned.mock.calls[0]?.[0])).toContain('--insecure: anybody who reaches this address can join');
  });
});

describe('the line that tells of the page', () => {
  const address = { host: '127.0.0.1', port: 7 };

  it('has a token behind # that allows to watch and nothing else, and goes to a terminal alone', () => {
    const access = ownWorkersAlone();
    const [, shown = ''] =
      /^watch it at: {2}http:\/\/127\.0\.0\.1:7\/#token=(\S+)$/.exec(pageLine(address, access, true)) ?? [];
    expect(access.credentials?.().filter((credential) => credential.token === shown)).toEqual([
      { token: shown, role: 'viewer', untilMs: null },
    ]);
    expect(shown).not.toBe(access.token);
    const kept = pageLine(address, access, false);
    expect(kept).toMatch(/^watch it at: {2}http:\/\/127\.0\.0\.1:7\/ {3}\(its token is in \S+7\.token\)$/);
    for (const { token: one } of access.credentials?.() ?? []) expect(kept).not.toContain(one);
  });

  it('never has a token that was given', () => {
    for (const [text, more] of [
      [token, ', which the token file does not have yet'],
      [`${token}\n${newToken()} role=viewer`, ''],
    ] as const) {
      const access = joinAccess({ listen: address, tokenFile: fileOf(text) });
      expect(pageLine(address, access, true)).toBe(
        `watch it at:  http://127.0.0.1:7/   (with a token of role=viewer${more})`,
      );
    }
  });

  it('names an address of this machine, and https under TLS', () => {
    const shown = { names: ['trainer.example'], fingerprint: null } as never;
    const given = { page: { type: 'none' }, tls: { shown } } as const;
    expect(pageLine({ host: '0.0.0.0', port: 7 }, given, true, ['10.0.0.1'])).toBe(
      'watch it at:  https://trainer.example:7/',
    );
    const plain = { page: { type: 'none' } } as const;
    expect(pageLine({ host: '::', port: 7 }, plain, true, ['fd00::1'])).toBe('watch it at:  http://[fd00::1]:7/');
  });
});

describe('joinLine', () => {
  it('is the command that a worker is started by, and never holds the token', () => {
    expect(joinLine({ host: '::1', port: 7 }, { isTold: false })).toBe('join with:  stillhouse worker ws://[::1]:7');
    expect(joinLine({ host: 'a', port: 7 }, { isTold: true }, ' --role label')).toBe(
      'join with:  STILLHOUSE_TOKEN=... stillhouse worker ws://a:7 --role label',
    );
  });

  it.each(['0.0.0.0', '::'])('names addresses of this machine where it listens on all of them: %s', (host) => {
    const own = ['10.1.2.3', 'fd00::7', 'den'];
    expect(joinLine({ host, port: 7 }, { isTold: false }, ' --role label', own)).toBe(
      'join with:  stillhouse worker ws://10.1.2.3:7 --role label   (or ws://[fd00::7]:7, ws://den:7)',
    );
    expect(joinLine({ host, port: 7 }, { isTold: false })).not.toContain(host === '::' ? '[::]' : host);
    expect(joinLine({ host, port: 7 }, { isTold: false })).toContain(`ws://${hostname()}:7`);
  });
});
