import * as tf from '@tensorflow/tfjs';
import { expect, it, vi } from 'vitest';
import { keepChatter } from '../../../../worker/compute/backends/chatter.js';

it('what tfjs tells the console stays there, and what others tell it does not', async () => {
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  await tf.setBackend('cpu');
  const draw = (): void => tf.initializers.orthogonal({}).apply([50, 50]).dispose();
  // The first operation of a process is greeted, too.
  draw();
  warned.mockClear();
  draw();
  expect(warned).toHaveBeenCalledTimes(1);
  keepChatter();
  keepChatter();
  draw();
  console.warn('of a plug-in');
  expect(warned.mock.calls.slice(1)).toEqual([['of a plug-in']]);
});
