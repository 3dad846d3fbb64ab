import { describe, expect, it } from 'vitest';
import { blockBytes, decodeBlock, LabelBlock } from '../../../shared/labels/block.js';
import { codecOf } from '../../../shared/labels/precision.js';
import { classes, labelOf } from './fixtures.js';

const codec = codecOf({ name: 'float32' }, { classes, isDistribution: true });

function blockOf(rows: number, ids: readonly number[]): LabelBlock {
  const block = new LabelBlock(codec, rows);
  for (const id of ids) block.add(id, labelOf(id), 0);
  return block;
}

function read(block: LabelBlock, row: number): Float32Array {
  const out = new Float32Array(classes);
  block.read(row, out, 0);
  return out;
}

describe('a label block', () => {
  it('holds the rows that were added, and counts them once', () => {
    const block = blockOf(70, [0, 33, 69, 33]);
    expect([0, 1, 33, 69].map((row) => block.has(row))).toEqual([true, false, true, true]);
    expect([block.count, block.isComplete]).toEqual([3, false]);
    expect(read(block, 33)).toEqual(labelOf(33));
  });

  it('never changes a row that is there', () => {
    const block = blockOf(4, [2]);
    block.add(2, labelOf(3), 0);
    expect(read(block, 2)).toEqual(labelOf(2));
  });

  it('is its own file, and comes back from it', () => {
    const block = blockOf(70, [5, 64]);
    const back = decodeBlock(codec, 70, block.bytes);
    expect(back?.bytes).toEqual(block.bytes);
    expect([back?.count, block.bytes.length]).toEqual([2, blockBytes(codec, 70)]);
    expect(back === null ? null : read(back, 64)).toEqual(labelOf(64));
  });

  it('merges with another, and is complete when all rows are there', () => {
    const block = blockOf(5, [0, 2]);
    block.merge(blockOf(5, [1, 2, 3, 4]));
    expect(block.isComplete).toBe(true);
    expect(read(block, 4)).toEqual(labelOf(4));
  });

  it.each([
    ['another length', (bytes: Uint8Array) => bytes.subarray(1)],
    ['another magic', (bytes: Uint8Array) => bytes.map((byte, i) => (i === 0 ? byte ^ 1 : byte))],
    ['another number of rows', (bytes: Uint8Array) => bytes.map((byte, i) => (i === 8 ? byte + 1 : byte))],
    ['another row size', (bytes: Uint8Array) => bytes.map((byte, i) => (i === 12 ? byte + 4 : byte))],
  ])('refuses a file of %s', (_case, change) => {
    expect(decodeBlock(codec, 5, change(blockOf(5, [1]).bytes))).toBeNull();
  });

  it('refuses a row of another machine that can be no label, and tells other bytes from the same', () => {
    const block = blockOf(4, []);
    const bytesOf = (id: number): Uint8Array => new Uint8Array(labelOf(id).buffer);
    expect(block.addBytes(1, new Uint8Array(Float32Array.of(0, Infinity, 0).buffer))).toBe('impossible');
    expect(block.has(1)).toBe(false);
    expect([1, 1, 2].map((id) => block.addBytes(1, bytesOf(id)))).toEqual(['added', 'there', 'other']);
    expect(read(block, 1)).toEqual(labelOf(1));
  });

  it('names its first row that can be no label', () => {
    const block = blockOf(4, [0, 2]);
    expect(block.fault()).toBeNull();
    block.add(3, Float32Array.of(1e30, 0, 0), 0);
    expect(block.fault()).toEqual({ row: 3, fault: 'a value of 1.00e+30; at most 1000000000 was wanted' });
  });

  it('does not take a computed row that can be no label', () => {
    const block = blockOf(4, []);
    expect([Float32Array.of(0, 0, 0), labelOf(2)].map((row) => block.addSound(1, row, 0))).toEqual([false, true]);
    expect([block.count, read(block, 1)]).toEqual([1, labelOf(2)]);
  });
});
