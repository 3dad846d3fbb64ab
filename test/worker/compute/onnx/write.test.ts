import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readOnnxFacts, readOnnxMetadata } from '../../../../worker/compute/onnx/facts.js';
import { findOnnxTaps, withOnnxOutputs, type OnnxTap } from '../../../../worker/compute/teachers/formats/onnx-taps.js';
import { floats, integers, type OnnxModel } from '../../../../worker/compute/onnx/graph.js';
import { ownOperatorSets, writeOnnx } from '../../../../worker/compute/onnx/write.js';

const model: OnnxModel = {
  operatorSets: ownOperatorSets,
  graph: {
    inputs: [{ name: 'input', type: 'float32', shape: ['batch', 3] }],
    outputs: [{ name: 'logits', type: 'float32', shape: ['batch', 'classes'] }],
    nodes: [
      { op: 'Gemm', inputs: ['input', 'c0'], outputs: ['t0'], attributes: { transB: -1, alpha: { float: 0.5 } } },
      { op: 'Elu', inputs: ['t0'], outputs: ['', 'größe'], attributes: { alpha: { float: 1e39 } } },
      {
        op: 'RNN',
        inputs: ['größe', 'c1'],
        outputs: ['logits'],
        attributes: {
          activations: ['Tanh', 'Relu'],
          direction: 'reverse',
          perm: [0, -1, 300],
          more: { floats: [1, 2] },
        },
      },
    ],
    constants: [
      floats(
        'c0',
        [3, 100],
        Float32Array.from({ length: 300 }, (_, i) => i),
      ),
      integers('c1', [2], [-1, 2]),
    ],
  },
};

describe('an ONNX file that is written', () => {
  const file = writeOnnx(model);

  it('is read back: the floating-point constants, and the values that its nodes make', () => {
    expect(readOnnxFacts(file)).toEqual({ parameters: 300, externalFiles: [] });
    expect(findOnnxTaps('t', file, ['t0', 'größe'])).toEqual([
      { name: 't0', value: 't0' },
      { name: 'größe', value: 'größe' },
    ]);
  });

  it('has the same bytes in every version of this program', () => {
    expect(createHash('sha256').update(file).digest('hex').slice(0, 16)).toBe('92dcec0e35e17638');
  });

  it('says of itself what it is given to say, behind all else', () => {
    expect(readOnnxMetadata(file)).toEqual({});
    const told = writeOnnx({ ...model, metadata: { 'stillhouse.input': '{"scale":0.5}', names: 'größe' } });
    expect(Buffer.compare(told.subarray(0, file.length), file)).toBe(0);
    expect(readOnnxMetadata(told)).toEqual({ 'stillhouse.input': '{"scale":0.5}', names: 'größe' });
  });

  it('gets more outputs behind its end, each once', () => {
    const tap = (value: string): OnnxTap => ({ name: value, value });
    expect(withOnnxOutputs(file, [tap('logits')])).toBe(file);
    const more = withOnnxOutputs(file, ['t0', 'logits', 't0'].map(tap));
    expect(Buffer.compare(more.subarray(0, file.length), file)).toBe(0);
    expect(Buffer.from(more.subarray(file.length)).toString('hex')).toBe('3a0662040a027430');
    expect(withOnnxOutputs(more, [tap('t0')])).toBe(more);
  });
});
