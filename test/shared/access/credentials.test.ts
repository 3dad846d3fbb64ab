import { chmodSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCredentials } from '../../../shared/access/credentials.js';
import { leaveLocalToken, newToken, readLocalToken } from '../../../shared/access/local-token.js';
import { isLoopback } from '../../../shared/access/loopback.js';
import { temporaryFolder } from '../../worker/fakes.js';

const token = newToken();
const other = newToken();

describe('a text of tokens', () => {
  it('holds one a line, with a role and an end', () => {
    const text = `# of the lab\n\n ${token} \r\n${other} until=2030-01-31 role=label\n`;
    expect(readCredentials(text, 'FILE')).toEqual([
      { token, role: 'worker', untilMs: null },
      { token: other, role: 'label', untilMs: Date.UTC(2030, 0, 31) },
    ]);
  });

  it.each([
    ['', 'FILE: holds no token; one of at least 43 characters wanted (stillhouse token makes one)'],
    [' \n\n', 'FILE: holds no token;'],
    ['# nothing\n', 'FILE: holds no token;'],
    ['x', 'FILE, line 1: the token has 1 character; at least 43 wanted'],
    [`${token}\n${token.slice(1)}`, 'FILE, line 2: the token has 42 characters; at least 43 wanted'],
    ['ä'.repeat(43), 'FILE, line 1: the token has characters that no header carries; ASCII wanted'],
    [`${token}\0`, 'FILE, line 1: the token has characters'],
    [`${token} admin`, 'FILE, line 1: admin behind the token; role=worker|label|viewer|admin or until=DATE wanted'],
    [`${token} role=root`, 'FILE, line 1: role=root given; worker or label or viewer or admin wanted'],
    [`${token} until=soon`, 'FILE, line 1: until=soon given; a date such as 2030-01-31'],
    [`${token} until=`, 'FILE, line 1: until= given; a date'],
  ])('is refused for %j, and its tokens are not shown', (text, message) => {
    const read = (): unknown => readCredentials(text, 'FILE');
    expect(read).toThrow(message);
    expect(read).not.toThrow(token.slice(1));
  });
});

describe('a token left for the workers of this machine', () => {
  it('is found by its port, by this user alone, until it is taken away', () => {
    const parent = temporaryFolder();
    const retract = leaveLocalToken(7070, token, parent);
    expect([readLocalToken(7070, parent), readLocalToken(7071, parent)]).toEqual([token, null]);
    const folder = join(parent, `stillhouse-${process.getuid?.()}`);
    expect([statSync(folder).mode & 0o777, statSync(join(folder, '7070.token')).mode & 0o777]).toEqual([0o700, 0o600]);
    const retractOther = leaveLocalToken(7070, other, parent);
    retract();
    expect(readLocalToken(7070, parent)).toBe(other);
    retractOther();
    expect([readLocalToken(7070, parent), existsSync(join(folder, '7070.token'))]).toEqual([null, false]);
  });

  it('is neither left nor looked for in a folder that others may read, or that a link leads to', () => {
    const [open, linked, elsewhere] = [temporaryFolder(), temporaryFolder(), temporaryFolder()];
    const name = `stillhouse-${process.getuid?.()}`;
    mkdirSync(join(open, name));
    chmodSync(join(open, name), 0o777);
    writeFileSync(join(open, name, '1.token'), token);
    chmodSync(elsewhere, 0o700);
    writeFileSync(join(elsewhere, '1.token'), token);
    symlinkSync(elsewhere, join(linked, name));
    for (const parent of [open, linked]) {
      expect(readLocalToken(1, parent)).toBeNull();
      expect(() => leaveLocalToken(1, token, parent)).toThrow(/STILLHOUSE_TOKEN or --token-file wanted/);
    }
  });
});

describe('loopback', () => {
  it.each(['localhost', 'LOCALHOST', '127.0.0.1', '127.9.9.9', '::1'])('is %s', (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each(['', '0.0.0.0', '::', 'localhost.example', '127.0.0.1.example', '10.0.0.1'])('is not %s', (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});
