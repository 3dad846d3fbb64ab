/** A short run of the fuzzer, the same cases every time; `npm run fuzz` runs as many as are wanted. */
import { describe, expect, it } from 'vitest';
import { fuzz, targets } from '../../bench/fuzz/fuzz.js';
import { outcomeOf } from '../../bench/fuzz/target.js';
import { soundMessages } from '../../bench/fuzz/targets/wire.js';
import { UserError } from '../../shared/errors.js';
import { decodeDown, decodeUp } from '../../shared/protocol/codec.js';
import { randomStream } from '../../shared/random.js';
import { temporaryFolder } from '../worker/fakes.js';

describe('what comes from elsewhere', () => {
  it('is accepted or refused, in bounds of time and memory, whatever it is', async () => {
    const { counts, findings } = await fuzz({ seed: 1, cases: 2500, folder: temporaryFolder() });
    expect(findings).toEqual([]);
    expect([...counts.keys()]).toEqual(targets.map(({ name }) => name));
    for (const [target, { accepted, refused }] of counts) {
      expect(accepted, `${target} accepts what is sound`).toBeGreaterThan(0);
      if (!['paths', 'door'].includes(target)) expect(refused, `${target} refuses some`).toBeGreaterThan(0);
    }
  });

  it.each([
    [3, 192],
    [3, 443],
    [4, 120],
    [4, 276],
  ])('that was found once is refused: a tfjs model of seed %i, number %i', async (seed, number) => {
    const only = { target: 'tfjs', number };
    const { counts, findings } = await fuzz({ seed, cases: 1, folder: temporaryFolder(), only });
    expect(findings).toEqual([]);
    expect(counts.get('tfjs')).toEqual({ accepted: 0, refused: 1 });
  });

  it('begins with messages that are sound', () => {
    for (const message of soundMessages.ups) decodeUp(soundMessages.frameOf(message));
    for (const message of soundMessages.downs) decodeDown(soundMessages.frameOf(message));
  });

  it('is the same again for the same seed, target and number', async () => {
    const only = { target: 'safetensors', number: 17 };
    const run = () => fuzz({ seed: 5, cases: 1, folder: temporaryFolder(), only });
    expect(await run()).toEqual(await run());
  });
});

describe('a case', () => {
  const outcome = (run: () => void) => outcomeOf({ run }, randomStream(['a case']));

  it('is a finding where it ends with an error of no kind of ours, or with a stack, or late', async () => {
    expect(await outcome(() => undefined)).toBe('accepted');
    const refuse = (text: string) => (): void => {
      throw new UserError(text);
    };
    expect(await outcome(refuse('x: 3 given; 4 wanted'))).toBe('refused');
    expect(await outcome(refuse('x\n    at y (z.ts:1:1)'))).toMatchObject({ finding: expect.any(String) as string });
    const crash = await outcome(() => {
      throw new TypeError('left.includes is not a function');
    });
    expect(crash).toMatchObject({ finding: expect.stringContaining('left.includes') as string });
  });
});
