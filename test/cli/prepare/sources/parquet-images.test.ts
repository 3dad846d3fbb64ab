/** Parquet files whose cells are images, as Hugging Face's `datasets` writes them, or bytes. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RemoteFiles } from '../../../../cli/prepare/remote/remote-files.js';
import { openSource, type SourceOptions } from '../../../../cli/prepare/sources/chosen-source.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';
import { referenceFolder } from '../../../worker/compute/teachers/fixtures.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-parquet-'));
afterAll(() => rmSync(folder, { recursive: true }));

const png = (...values: number[]): Promise<Buffer> =>
  sharp(Uint8Array.from(values), { raw: { width: 2, height: values.length / 6, channels: 3 } })
    .png()
    .toBuffer();

beforeAll(async () => {
  // Made by test/reference/hugging_face.py.
  copyFileSync(join(referenceFolder, '..', 'hugging-face.parquet'), join(folder, 'hf.parquet'));
  const write = (name: string, columns: Record<string, unknown[]>): void => {
    const columnData = Object.entries(columns).map(([column, data]) => ({
      name: column,
      data,
      type: typeof data[0] === 'number' ? ('DOUBLE' as const) : ('BYTE_ARRAY' as const),
    }));
    writeFileSync(join(folder, name), new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 2 })));
  };
  const pictures = [await png(1, 1, 1, 9, 9, 9), await png(255, 0, 0, 0, 0, 255), await png(7, 7, 7, 8, 8, 8)];
  write('binary.parquet', { picture: pictures, kind: [0, 1, 2], more: [1, 2, 3] });
  write('sizes.parquet', { picture: [pictures[0], await png(...new Array<number>(12).fill(3))] });
  write('raw.parquet', { x: [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5, 6, 7, 255)] });
  write('short.parquet', { x: [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5)] });
});

interface Told {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly labels: readonly number[];
  readonly rows: readonly number[];
  readonly classNames: readonly string[] | undefined;
}

async function told(recipe: object, options: SourceOptions = {}): Promise<Told> {
  const source = await openSource(sourceSchema.parse({ format: 'parquet', ...recipe }), folder, options);
  const cut = Math.ceil(source.samples / 2);
  const rows = [...(await source.read(0, cut)), ...(await source.read(cut, source.samples))];
  const { shape, dtype, labels, classNames } = source;
  return { shape, dtype, labels: [...labels], rows, classNames };
}

describe('images in Parquet', () => {
  it('are read from bytes and path, with the names of the classes', async () => {
    const all: Told = {
      shape: [2, 2, 1],
      dtype: 'uint8',
      labels: [2, 0],
      rows: [1, 2, 3, 4, 5, 6, 7, 8],
      classNames: ['zebra', 'ant', 'bee'],
    };
    expect(await told({ inputs: 'hf.parquet', labels: 'label' })).toEqual(all);
    const named = await told({ inputs: 'hf.parquet', labels: 'label' }, { classNames: ['a', 'b', 'c'] });
    expect(named).toEqual({ ...all, classNames: undefined });
  });

  it('are read from a column of bytes, in any range, in grey and in another size', async () => {
    const recipe = { inputs: 'binary.parquet', column: 'picture', labels: 'kind' };
    expect(await told(recipe)).toMatchObject({
      shape: [1, 2, 3],
      labels: [0, 1, 2],
      rows: [1, 1, 1, 9, 9, 9, 255, 0, 0, 0, 0, 255, 7, 7, 7, 8, 8, 8],
    });
    expect(await told({ ...recipe, channels: 1 })).toMatchObject({ shape: [1, 2, 1], rows: [1, 9, 76, 29, 7, 8] });
    expect(await told({ inputs: 'sizes.parquet', size: [1, 1] })).toMatchObject({
      shape: [1, 1, 3],
      rows: [5, 5, 5, 3, 3, 3],
    });
  });

  it.each([
    [
      'beside other columns',
      { inputs: 'binary.parquet', labels: 'kind' },
      /binary\.parquet: columns picture, more given, of which picture holds bytes; .*\(column: picture\)/,
    ],
    [
      'of several sizes',
      { inputs: 'sizes.parquet' },
      /sizes\.parquet: row 1, picture: an image of \[2, 2, 3\]; \[1, 2, 3\] was wanted/,
    ],
    ['that are none', { inputs: 'raw.parquet' }, /raw\.parquet: row 0, x: no image that can be decoded/],
  ])('are refused %s', async (_, recipe, message) => {
    await expect(told(recipe)).rejects.toMatchObject({ exitCode: 65, message: expect.stringMatching(message) });
  });
});

describe('paths of images in Parquet', () => {
  /** Rows of no bytes and a path each, as Hugging Face's `datasets` writes images that it does not embed. */
  const write = (...paths: string[]): void => {
    const optional = { repetition_type: 'OPTIONAL' as const };
    const schema = [
      { name: 'root', num_children: 1 },
      { name: 'image', num_children: 2, ...optional },
      { name: 'bytes', type: 'BYTE_ARRAY' as const, ...optional },
      { name: 'path', type: 'BYTE_ARRAY' as const, converted_type: 'UTF8' as const, ...optional },
    ];
    const columnData = [{ name: 'image', data: paths.map((path) => ({ path })) }];
    writeFileSync(join(folder, 'paths.parquet'), new Uint8Array(parquetWriteBuffer({ columnData, schema })));
  };
  class Fetched extends RemoteFiles {
    override async local(): Promise<string> {
      return join(folder, 'paths.parquet');
    }
  }

  it('are those of files beside it', async () => {
    writeFileSync(join(folder, 'a.png'), await png(1, 2, 3, 4, 5, 6));
    write('a.png');
    expect(await told({ inputs: 'paths.parquet' })).toMatchObject({ rows: [1, 2, 3, 4, 5, 6] });
  });

  it('are no files of this machine where it came from another', async () => {
    writeFileSync(join(folder, 'a.png'), await png(1, 2, 3, 4, 5, 6));
    write(join(folder, 'a.png'));
    await expect(
      told({ inputs: 'https://files.example/paths.parquet' }, { remote: new Fetched() }),
    ).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(/paths\.parquet: row 0, image: ".*without its bytes; bytes were wanted, since/),
    });
  });

  it.each<[string, () => string, number, RegExp]>([
    ['is missing', () => 'none.png', 2, /row 0, image: .*none\.png: no such file/],
    ['never ends', () => '/dev/zero', 65, /row 0, image: \/dev\/zero: it is no regular file/],
    ['is a folder', () => (mkdirSync(join(folder, 'd.png')), 'd.png'), 65, /d\.png: it is a folder/],
    [
      'is a pipe',
      () => {
        execFileSync('mkfifo', [join(folder, 'pipe.png')]);
        return 'pipe.png';
      },
      65,
      /pipe\.png: it is no regular file/,
    ],
  ])('are refused where the file %s', async (_, path, exitCode, message) => {
    write(path());
    await expect(told({ inputs: 'paths.parquet' })).rejects.toMatchObject({
      exitCode,
      message: expect.stringMatching(message),
    });
  });
});

describe('bytes in Parquet', () => {
  it('are numbers where the recipe gives their shape', async () => {
    expect(await told({ inputs: 'raw.parquet', shape: [2, 2, 1] })).toMatchObject({
      shape: [2, 2, 1],
      dtype: 'uint8',
      rows: [1, 2, 3, 4, 5, 6, 7, 255],
    });
  });

  it('are refused in another number', async () => {
    await expect(told({ inputs: 'short.parquet', shape: [4] })).rejects.toThrow(
      /short\.parquet: row 1, x holds 1 byte; 4 were wanted for shape \[4\]/,
    );
  });
});
