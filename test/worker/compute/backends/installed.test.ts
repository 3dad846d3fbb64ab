import { expect, it } from 'vitest';
import { backendsFolder } from '../../../../worker/compute/backends/installed.js';

it('looks for installed backends in the cache folder, or where the environment says', () => {
  expect(backendsFolder('/cache', {})).toBe('/cache/native');
  expect(backendsFolder('/cache', { STILLHOUSE_BACKENDS: '' })).toBe('/cache/native');
  expect(backendsFolder('/cache', { STILLHOUSE_BACKENDS: '/opt/backends' })).toBe('/opt/backends');
});
