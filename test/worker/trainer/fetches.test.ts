import { describe, expect, it } from 'vitest';
import { Fetches } from '../../../worker/trainer/fetches.js';

describe('fetches of the trainer', () => {
  it('ask once for what several wait for, and again once the answer has come', async () => {
    const asked: string[] = [];
    const fetches = new Fetches((sha256) => void asked.push(sha256));
    const waiting = [fetches.fetch('a'), fetches.fetch('b'), fetches.fetch('a')];
    expect(asked).toEqual(['a', 'b']);
    fetches.arrived('a', '/cache/a');
    fetches.arrived('b', '/cache/b');
    expect(await Promise.all(waiting)).toEqual(['/cache/a', '/cache/b', '/cache/a']);
    void fetches.fetch('a');
    expect(asked).toEqual(['a', 'b', 'a']);
  });

  it('fail for all that wait for the artifact, or for every one at the end', async () => {
    const fetches = new Fetches(() => undefined);
    const waiting = [fetches.fetch('a'), fetches.fetch('a'), fetches.fetch('b')];
    fetches.failed('a', new Error('no such artifact'));
    fetches.failAll(new Error('the link has ended'));
    const errors = await Promise.all(waiting.map((path) => path.catch((error: unknown) => String(error))));
    expect(errors).toEqual(['Error: no such artifact', 'Error: no such artifact', 'Error: the link has ended']);
  });

  it('hear an answer that nobody waits for', () => {
    expect(() => new Fetches(() => undefined).arrived('a', '/cache/a')).not.toThrow();
  });
});
