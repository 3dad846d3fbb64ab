import { describe, expect, it } from 'vitest';
import { masked, matcherOf, refuseUser } from '../../../../cli/prepare/remote/addresses.js';
import { RemoteFiles } from '../../../../cli/prepare/remote/remote-files.js';
import { filesMatching } from '../../../../cli/prepare/sources/input-files.js';

describe('what is shown of an address', () => {
  it.each([
    ...['Signature', 'X-Amz-Signature', 'sig', 'urlsig', 'AWSAccessKeyId', 'Key-Pair-Id', 'apikey', 'api_key', 'key'],
    ...['md5', 'hmac', 'jwt', 'code', 'token', 'accessToken', 'access_token', 'st-token', 'password', 'pwd', 'sas'],
    ...['client_secret', 'auth', 'X-Goog-Credential', 'Policy', 'sessionid', '%73ig', 'key2'],
  ])('is not what %s grants access by', (key) => {
    expect(masked(`https://h/a.csv?part=1&${key}=f00`)).toBe(`https://h/a.csv?part=1&${key}=***`);
  });

  it.each(['design', 'author', 'monkey', 'keyword', 'passenger', 'codec', 'assign', 'tokens', 'id'])(
    'is %s, which is a word that has such a one in it',
    (key) => {
      expect(masked(`https://h/a.csv?${key}=f00&se=1`)).toBe(`https://h/a.csv?${key}=f00&se=1`);
    },
  );

  it('is no JSON Web Token, whatever its name', () => {
    expect(masked('https://h/a?t=eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln')).toBe('https://h/a?t=***');
  });

  it.each([
    ...['https:///user:pw@h/x', 'https://\\\\user:pw@h/x', 'https:// user:pw@h/x', 'https://user:p@w@h/x'],
    ...['https://user:pw@h:99999/x', 'https://pw@h/x'],
  ])('is no user and no password: %s', (name) => {
    expect(masked(name)).toMatch(/^https:\/\/\*\*\*@h(:99999)?\/x$/);
    expect(() => refuseUser(name)).toThrow(expect.objectContaining({ exitCode: 2 }));
  });

  it('is that of one file, or refused', () => {
    const files = new RemoteFiles({ env: {} });
    const shown = files.hide('https://h/get?key=train.csv');
    expect(files.hide('https://h/get?key=train.csv')).toBe(shown);
    expect(files.hide(shown)).toBe(shown);
    expect(() => files.hide('https://h/get?key=test.csv')).toThrow(
      expect.objectContaining({
        exitCode: 2,
        message: expect.stringMatching(
          /^https:\/\/h\/get\?key=\*\*\*: two addresses that differ only in what is masked/,
        ),
      }),
    );
  });
});

it('a set of letters that counts down is refused', async () => {
  const refused = expect.objectContaining({
    exitCode: 2,
    message: '[z-a].csv: letters in [...] that count down; from the lesser wanted',
  }) as Error;
  expect(() => matcherOf('[z-a].csv')).toThrow(refused);
  await expect(filesMatching('/tmp/[z-a].csv')).rejects.toEqual(refused);
});
