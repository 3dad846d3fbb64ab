import { describe, expect, it } from 'vitest';
import { isPrintable, printable } from '../../shared/printable.js';

describe('what a peer says', () => {
  it.each([
    ['a plain line, äöü 日本 🙂', 'a plain line, äöü 日本 🙂'],
    ['\u001b[2J\u001b]0;title\u0007', '\\u001b[2J\\u001b]0;title\\u0007'],
    ['two\r\nlines\tand more', 'two lines and more'],
    ['\u0085next\u2028line\u2029paragraph\u009bC1', '\\u0085next\\u2028line\\u2029paragraph\\u009bC1'],
    ['\u202egnp.exe\u2066', '\\u202egnp.exe\\u2066'],
    ['half \ud83d of it', 'half \\ud83d of it'],
    ['\u0000\u007f\b', '\\u0000\\u007f\\u0008'],
  ])('is one line that moves nothing: %j', (text, shown) => {
    expect(printable(text)).toBe(shown);
    expect(isPrintable(text)).toBe(text === shown);
  });

  it('is no longer than it may be', () => {
    expect(printable('x'.repeat(50), 10)).toBe(`${'x'.repeat(10)}...`);
  });
});
