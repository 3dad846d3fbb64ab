import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readOnnxFacts } from '../../../../worker/compute/onnx/facts.js';
import { reference, referenceFolder } from '../teachers/fixtures.js';

describe('readOnnxFacts', () => {
  it('counts the floating-point numbers of the initializers, as the onnx package does', () => {
    const facts = readOnnxFacts(readFileSync(join(referenceFolder, 'tiny.onnx')));
    expect(facts).toEqual({ parameters: reference.parameters, externalFiles: [] });
  });

  it('names the files that weights lie in, each once', () => {
    const facts = readOnnxFacts(readFileSync(join(referenceFolder, 'external.onnx')));
    expect(facts).toEqual({ parameters: reference.parameters, externalFiles: ['external.bin'] });
  });

  it.each([
    ['text', 'not a model'],
    ['a torn file', null],
  ])('refuses %s', (_, text) => {
    const bytes = text === null ? readFileSync(join(referenceFolder, 'tiny.onnx')).subarray(0, 900) : Buffer.from(text);
    expect(() => readOnnxFacts(bytes)).toThrow(/not a protobuf message/);
  });
});
