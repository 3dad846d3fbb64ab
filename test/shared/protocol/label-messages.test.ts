import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../../shared/errors.js';
import {
  contentDigest,
  decodeRows,
  encodeRows,
  labelLeaseSchema,
  labelLimits,
  labelPathOf,
  leaseRequestSchema,
  longestRowsMessage,
  parseLabelPath,
  rowsPerMessage,
  type LabelPath,
} from '../../../shared/protocol/label-messages.js';

const key = 'a1'.repeat(32);

describe('paths of label messages', () => {
  const paths: [string, LabelPath][] = [
    ['/labels/run', { type: 'run' }],
    ['/labels/lease', { type: 'lease' }],
    [`/labels/${key}`, { type: 'set', key }],
    [`/labels/${key}/17`, { type: 'block', key, block: 17 }],
  ];
  it.each(paths)('%s is written and read alike', (text, path) => {
    expect([labelPathOf(path), parseLabelPath(text)]).toEqual([text, path]);
  });

  it.each([
    '/labels/',
    '/labels/other',
    `/labels/${key.slice(1)}`,
    `/labels/${key.toUpperCase()}`,
    `/labels/${key}/`,
    `/labels/${key}/-1`,
    `/labels/${key}/1234567890`,
    `/labels/${key}/../run`,
    `/artifacts/${key}`,
  ])('%s names nothing', (text) => {
    expect(parseLabelPath(text)).toBeNull();
  });
});

describe('label rows', () => {
  const rowBytes = fc.integer({ min: 1, max: 40 });

  it('come out as they went in, whatever lies around their bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(999), { maxLength: 50 }), rowBytes, fc.nat(7), (ids, length, before) => {
        const rows = ids.map((id, i) => Uint8Array.from({ length }, (_, at) => id * 7 + i + at));
        const bytes = encodeRows(
          rows.map((row, i) => ({ id: ids[i] ?? 0, bytes: row })),
          length,
        );
        const moved = new Uint8Array(before + bytes.length);
        moved.set(bytes, before);
        const { ids: found, row } = decodeRows(moved.subarray(before), length, 1000);
        expect([...found]).toEqual(ids);
        rows.forEach((expected, i) => expect(row(i)).toEqual(expected));
      }),
    );
  });

  it('are laid out as a count, the sample numbers and the rows, little-endian', () => {
    const bytes = encodeRows(
      [258, 3].map((id, i) => ({ id, bytes: Uint8Array.of(i, 9) })),
      2,
    );
    expect([...bytes]).toEqual([2, 0, 0, 0, 2, 1, 0, 0, 3, 0, 0, 0, 0, 9, 1, 9]);
  });

  const emptyRows = (ids: readonly number[], length: number) =>
    encodeRows(
      ids.map((id) => ({ id, bytes: new Uint8Array(length) })),
      length,
    );
  const bytes = emptyRows([1, 2], 3);
  it.each([
    ['no count', new Uint8Array(3), 'without a count'],
    ['a row cut short', bytes.slice(0, -1), 'for 2 rows of 3'],
    ['a byte too many', Uint8Array.from([...bytes, 0]), 'for 2 rows of 3'],
    ['a sample beyond the last', emptyRows([1, 10], 3), 'sample 10 of 10'],
    ['more rows than a message may have', emptyRows(new Array(8193).fill(1), 0), '8193'],
  ])('with %s are refused', (_case, given, reason) => {
    const length = reason === '8193' ? 0 : 3;
    expect(() => decodeRows(given, length, 10)).toThrow(ProtocolError);
    expect(() => decodeRows(given, length, 10)).toThrow(reason);
  });

  it.each([
    [1, labelLimits.rows],
    [4092, 1024],
    [8 * 1024 * 1024, 1],
  ])('of %i bytes fit a message %i times', (length, rows) => {
    expect(rowsPerMessage(length)).toBe(rows);
    expect(longestRowsMessage(length)).toBe(4 + rows * (4 + length));
  });

  it('have the digest of RFC 9530', () => {
    expect(contentDigest(Buffer.from('{"hello": "world"}'))).toBe(
      'sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:',
    );
  });
});

describe('label leases', () => {
  it.each([{ worker: '' }, { worker: 'x'.repeat(65) }, { worker: 1 }, {}, { worker: 'a', more: 1 }, null])(
    'are not asked for with %j',
    (value) => {
      expect(leaseRequestSchema.safeParse(value).success).toBe(false);
    },
  );

  it.each([
    { type: 'lease', block: 1 },
    { type: 'lease', view: -1, block: 1 },
    { type: 'other' },
    { type: 'wait', x: 1 },
  ])('are not %j', (value) => {
    expect(labelLeaseSchema.safeParse(value).success).toBe(false);
  });
});
