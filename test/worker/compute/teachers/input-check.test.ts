import { describe, expect, it } from 'vitest';
import { inputObjection } from '../../../../worker/compute/teachers/input-check.js';

describe('an input of whole numbers', () => {
  it.each([
    ['samples from 0 to 1', 'uint8', [0, 0.25, 1], 'go from 0 to 1 with fractions; '],
    ['black and white alone, scaled', 'uint8', [0, 1, 1], 'go from 0 to 1; '],
    ['normalised samples', 'int64', [-1.2346, 2], 'go from -1.235 to 2 with fractions; '],
    ['samples beyond a byte', 'int8', [-129, 3], 'go from -129 to 3; '],
    ['negative samples where there are none', 'uint8', [-1, 3], 'go from -1 to 3; '],
  ])('is said to lose %s', (_case, type, fed, text) => {
    expect(inputObjection(type, Float32Array.from(fed))).toContain(
      `its input takes whole numbers (${type}), and the samples that it is fed ${text}`,
    );
  });

  it.each([
    ['pixels', 'uint8', [0, 57, 255]],
    ['pixels that were preprocessed and had back', 'uint8', [56.9999, 3]],
    ['tokens, be they 0 and 1', 'int64', [0, 1, 1]],
    ['ids', 'int32', [50256, 3]],
    ['an input of any numbers', null, [0.5]],
    ['no sample', 'uint8', []],
  ])('takes %s', (_case, type, fed) => {
    expect(inputObjection(type, Float32Array.from(fed))).toBeNull();
  });
});
