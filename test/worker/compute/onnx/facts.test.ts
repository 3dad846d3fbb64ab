import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { readOnnxFacts } from '../../../../worker/compute/onnx/facts.js';
import { countFloats } from '../../../../worker/compute/onnx/reader.js';
import { ownOperatorSets, writeOnnx } from '../../../../worker/compute/onnx/write.js';
import { reference, referenceFolder } from '../teachers/fixtures.js';

describe('readOnnxFacts', () => {
  it('counts the floating-point numbers of the initializers, as the onnx package does', () => {
    const facts = readOnnxFacts(readFileSync(join(referenceFolder, 'tiny.onnx')));
    expect(facts).toEqual({ parameters: reference.parameters, externalFiles: [] });
  });

  it('counts what trees have learnt, in their settings, whichever way it is written', () => {
    const values = { floats: [0.5, 1.5, 2.5] };
    const attributes = { nodes_values: values, nodes_hitrates: values, class_weights: { floats: [1, 2] } };
    const tree = { op: 'TreeEnsembleClassifier', domain: 'ai.onnx.ml', inputs: ['x'], outputs: ['y', 'p'], attributes };
    const file = writeOnnx({
      operatorSets: ownOperatorSets,
      graph: {
        inputs: [{ name: 'x', type: 'float32', shape: ['n', 2] }],
        outputs: [{ name: 'p' }],
        constants: [],
        nodes: [tree],
      },
    });
    expect(readOnnxFacts(file).parameters).toBe(5);
    const packed = new BinaryWriter().tag(7, WireType.LengthDelimited).bytes(new Uint8Array(12)).finish();
    const single = new BinaryWriter().tag(7, WireType.Bit32).float(1).finish();
    expect([countFloats(packed, 7), countFloats(Buffer.concat([single, single]), 7), countFloats(single, 8)]).toEqual([
      3, 2, 0,
    ]);
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
