import { expect, it } from 'vitest';
import { counted } from '../../shared/counted.js';

it('a number and what it counts agree', () => {
  expect([counted(1, 'sample'), counted(0, 'sample'), counted(2, 'sample')]).toEqual([
    '1 sample',
    '0 samples',
    '2 samples',
  ]);
  expect([counted(1, 'class'), counted(3, 'class'), counted(4, 'micro-batch')]).toEqual([
    '1 class',
    '3 classes',
    '4 micro-batches',
  ]);
});
