import { describe, expect, it } from 'vitest';
import { cutPattern, masked, maskedText, matcherOf } from '../../../../cli/prepare/remote/addresses.js';
import { RemoteFiles } from '../../../../cli/prepare/remote/remote-files.js';

describe('what is shown of an address', () => {
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

  it('does not tell two addresses apart that differ in what is hidden alone, which is refused', () => {
    const files = new RemoteFiles({ env: {} });
    files.hide('https://h/a.csv?key=train');
    expect(files.hide('https://h/a.csv?key=train')).toBe('https://h/a.csv?key=***');
    expect(() => files.hide('https://h/a.csv?key=eval')).toThrow(/two addresses that differ in what is hidden alone/);
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
