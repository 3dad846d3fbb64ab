/** Arrays of NumPy in every type and order of elements that people save, and names of archives with a `#`. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readLabelFile } from '../../../../cli/prepare/label-file.js';
import { filesOf } from '../../../../cli/prepare/sources/list.js';
import { openSource } from '../../../../cli/prepare/sources/chosen-source.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';
import { writeNpz } from '../../../../coordinator/labels/npz-file.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-types-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** An .npy file of the format's first version. @param bytes of the elements, as hexadecimal digits */
function npy(name: string, descr: string, shape: string, bytes: string, order = 'False'): string {
  const header = Buffer.from(
    `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`.padEnd(117) + '\n',
  );
  const head = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]);
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), Buffer.concat([head, header, Buffer.from(bytes.replaceAll(' ', ''), 'hex')]));
  return name;
}

async function read(inputs: string): Promise<{ shape: readonly number[]; rows: number[] }> {
  const source = await openSource(sourceSchema.parse({ format: 'npy', inputs }), folder);
  return { shape: source.shape, rows: [...(await source.read(0, source.samples))] };
}

describe('elements', () => {
  it.each([
    ['<f2', '003c 00c0 0134 ff7b', [1, -2, 0.250244140625, 65504]],
    ['>f2', '3c00 c000 3401 7bff', [1, -2, 0.250244140625, 65504]],
    ['>f4', '3f800000 c0000000 3e800000 00000000', [1, -2, 0.25, 0]],
    ['>f8', '3ff0000000000000 c000000000000000 3fd0000000000000 0000000000000000', [1, -2, 0.25, 0]],
    ['>i2', '0001 fffe 0100 7fff', [1, -2, 256, 32767]],
    ['>u2', '0001 fffe 0100 7fff', [1, 65534, 256, 32767]],
    ['>i4', '00000001 fffffffe 00010000 00000000', [1, -2, 65536, 0]],
    ['>i8', '0000000000000001 fffffffffffffffe 0000000000010000 0000000000000000', [1, -2, 65536, 0]],
    ['<u8', '0100000000000000 ff00000000000000 0000010000000000 0000000000000000', [1, 255, 65536, 0]],
    ['>u8', '0000000000000001 00000000000000ff 0000000000010000 0000000000000000', [1, 255, 65536, 0]],
    ['|b1', '01 00 01 00', [1, 0, 1, 0]],
  ])('of type %s are read', async (descr, bytes, rows) => {
    expect((await read(npy(`${descr.slice(1)}.npy`, descr, '(4,)', bytes))).rows).toEqual(rows);
  });

  it('in the order of Fortran are brought into that of C', async () => {
    // numpy.asfortranarray([[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]])
    const bytes = '00 06 03 09 01 07 04 0a 02 08 05 0b';
    expect(await read(npy('f.npy', '|u1', '(2, 2, 3)', bytes, 'True'))).toEqual({
      shape: [2, 3],
      rows: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    });
  });

  it.each([
    ['Python objects', '|O', '8004', /x\.npy: Python objects, which only Python can read; .* was wanted/],
    ['complex numbers', '<c8', '0000000000000000', /x\.npy: elements of type <c8; whole numbers, floats/],
    ['dates', '<M8[ns]', '0000000000000000', /x\.npy: elements of type <M8\[ns\]; whole numbers, floats/],
    ['texts as inputs', '<U1', '61000000', /x\.npy: texts; numbers were wanted/],
    [
      'a number of 64 bits that does not fit',
      '<u8',
      '0000000001000000',
      /element 0 is 4294967296; a whole number from/,
    ],
  ])('are refused: %s', async (_, descr, bytes, message) => {
    await expect(read(npy('x.npy', descr, '(1,)', bytes))).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(message),
    });
  });
});

it.each([
  [9, '01 ff', [1, -1]],
  [11, '0001 ff00', [1, -256]],
  [14, '3ff0000000000000 c000000000000000', [1, -2]],
])('IDX has the type %i', async (type, bytes, rows) => {
  const head = Buffer.from([0, 0, type, 1, 0, 0, 0, 2]);
  writeFileSync(join(folder, 'x.idx'), Buffer.concat([head, Buffer.from(bytes.replaceAll(' ', ''), 'hex')]));
  const source = await openSource(sourceSchema.parse({ format: 'idx', inputs: 'x.idx' }), folder);
  expect([...(await source.read(0, 2))]).toEqual(rows);
});

describe('names', () => {
  const archive = async (name: string): Promise<void> => {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    const array = { name: 'logits', dims: [1, 2], pieces: [Float32Array.of(3, 4)] };
    await writeNpz(join(folder, name), [array]);
  };

  it('of arrays stand behind the last .npz#, whatever the path holds', async () => {
    await archive('c# lang/a.npz#b/set.NPZ');
    npy('c# lang/x#1.npy', '|u1', '(2,)', '01 02');
    expect((await read('c# lang/a.npz#b/set.NPZ#logits')).rows).toEqual([3, 4]);
    expect((await read('c# lang/x#1.npy')).rows).toEqual([1, 2]);
    const recipe = sourceSchema.parse({ format: 'npy', inputs: 'c# lang/a.npz#b/set.NPZ#logits', labels: 'x#1.npy' });
    expect(filesOf('npy', recipe as Extract<typeof recipe, { format: 'npy' }>)).toMatchObject({
      inputs: 'c# lang/a.npz#b/set.NPZ',
      labels: 'x#1.npy',
    });
  });

  it('of files of labels may have capitals', async () => {
    await archive('LABELS.NPZ');
    expect(await readLabelFile(join(folder, 'LABELS.NPZ'))).toMatchObject({ samples: 1, classes: 2 });
  });
});
