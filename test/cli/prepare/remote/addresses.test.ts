import { describe, expect, it } from 'vitest';
import { cutPattern, masked, maskedText, matcherOf, refuseUser } from '../../../../cli/prepare/remote/addresses.js';
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

describe('an address that is shown', () => {
  it.each([
    ['https://h/a.csv?part=1', 'https://h/a.csv?part=1'],
    ['https://h/a.csv?token=abc&part=1', 'https://h/a.csv?token=***&part=1'],
    ['https://h/a.csv?API_KEY=abc', 'https://h/a.csv?API_KEY=***'],
    ['https://h/a.csv?sv=1&se=2&sp=r&sig=abc&part=1', 'https://h/a.csv?sv=***&se=***&sp=***&sig=***&part=1'],
    [
      'https://h/a.csv?Expires=1&Signature=a%2Bb&Key-Pair-Id=K',
      'https://h/a.csv?Expires=***&Signature=***&Key-Pair-Id=***',
    ],
    ['https://h/a.csv?X-Goog-Date=1&X-Goog-%53ignature=abc', 'https://h/a.csv?X-Goog-Date=***&X-Goog-%53ignature=***'],
    ['https://h/set.npz?sig=abc#x', 'https://h/set.npz?sig=***#x'],
    ['https://me:pass@h/a.csv', 'https://***@h/a.csv'],
    ['s3://bucket/what?.csv', 's3://bucket/what?.csv'],
    ['s3://me:pass@bucket/a?.csv', 's3://***@bucket/a?.csv'],
  ])('of %s is %s', (address, shown) => {
    expect(masked(address)).toBe(shown);
    expect(maskedText(`"${address}" given`)).toBe(`"${shown}" given`);
  });
});

describe('a pattern', () => {
  it.each([
    ['*.csv', ['a.csv', 'b.csv'], ['a/b.csv', '.a.csv', 'a.csv.gz']],
    ['a?[0-2].csv', ['ab1.csv'], ['ab3.csv', 'a/1.csv', 'a1.csv']],
    ['[!a]*', ['b'], ['a', 'ab']],
    ['**/x.csv', ['x.csv', 'a/x.csv', 'a/b/x.csv'], ['ax.csv', '.a/x.csv']],
    ['a+(b).csv', ['a+(b).csv'], ['aab.csv']],
  ])('%s matches %j and not %j', (pattern, those, others) => {
    const matches = matcherOf(pattern);
    expect(those.filter((path) => !matches(path))).toEqual([]);
    expect(others.filter(matches)).toEqual([]);
  });

  it('is cut behind the folder before its first special letter', () => {
    expect(cutPattern('a/b/c-*/d.csv')).toEqual({ folder: 'a/b/', pattern: 'c-*/d.csv' });
    expect(cutPattern('*.csv')).toEqual({ folder: '', pattern: '*.csv' });
  });
});
