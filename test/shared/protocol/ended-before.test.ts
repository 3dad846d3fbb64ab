import { describe, expect, it } from 'vitest';
import { takeToldBefore, toldNext } from '../../../shared/protocol/ended-before.js';

describe('what is told of a process that was killed', () => {
  it('reaches the next one, its newest lines alone and cut to what a message bears, and no process that one starts', () => {
    const lines = Array.from({ length: 30 }, (_, i) => `line ${i}`);
    const environment = { OTHER: 'kept', ...toldNext('SIGKILL', [...lines, `\u0007${'x'.repeat(2000)}`]) };
    const told = takeToldBefore(environment);
    expect(told?.signal).toBe('SIGKILL');
    expect(told?.lines.slice(0, 19)).toEqual(lines.slice(11));
    expect(told?.lines[19]).toMatch(/^\\u0007x{994}$/);
    expect(environment).toEqual({ OTHER: 'kept' });
    expect(takeToldBefore(environment)).toBeNull();
  });

  it('is nothing where it ended by itself', () => {
    expect(toldNext(null, ['said'])).toEqual({});
  });

  it.each(['', '{', '{"signal":"SIGKILL"}', '{"signal":"SIGKILL","lines":[],"more":1}'])('is refused as %j', (text) => {
    expect(() => takeToldBefore({ STILLHOUSE_KILLED: text })).toThrow(
      /^STILLHOUSE_KILLED=.*: what a worker is told by who starts it was wanted, or none of it$/,
    );
  });
});
