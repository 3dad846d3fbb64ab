/** Recipes, and data files of every format. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { ZipFile } from 'yazl';
import { sourceSchema } from '../../../shared/recipe/data-schema.js';
import { readRecipe } from '../../../shared/recipe/read.js';
import { openSource } from '../../../cli/prepare/sources/chosen-source.js';
import { mutateBytes, mutateText, pick } from '../mutate.js';
import type { Target } from '../target.js';

const root = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../../..' : '../../../..', import.meta.url));

export const recipes: Target = {
  name: 'recipes',
  share: 3,
  open: async () => {
    const text = readFileSync(join(root, 'examples/mnist/recipe.yaml'), 'utf8');
    return {
      run: (random) => {
        let changed = text;
        for (let times = 1 + random.below(3); times > 0; times--) changed = mutateText(changed, random);
        readRecipe(changed, { file: 'recipe.yaml', set: [] });
      },
    };
  },
};

function npy(): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (6, 2, 2), }`.padEnd(117) + '\n';
  const head = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]);
  return Buffer.concat([head, Buffer.from(text), Buffer.from(new Float32Array(24).fill(0.5).buffer)]);
}

async function zipOf(members: Readonly<Record<string, Buffer>>): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [name, bytes] of Object.entries(members)) zip.addBuffer(bytes, name, { mtime: new Date(2020, 1, 1) });
  zip.end();
  const pieces: Buffer[] = [];
  for await (const piece of zip.outputStream as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** A POSIX tar archive. */
function archive(files: Readonly<Record<string, Buffer>>): Buffer {
  const pieces = Object.entries(files).flatMap(([name, bytes]) => {
    const head = Buffer.alloc(512);
    head.write(name, 0);
    head.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
    head.write(`${' '.repeat(8)}0`, 148);
    head.write('ustar\u000000', 257);
    const sum = head.reduce((all, byte) => all + byte, 0);
    head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [head, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return Buffer.concat([...pieces, Buffer.alloc(1024)]);
}

/** A file that test/reference/tables.py has made. */
const reference = (name: string): Buffer => readFileSync(join(root, 'test/reference/data/tables', name));

interface Sample {
  readonly file: string;
  readonly bytes: Buffer;
  readonly recipe: object;
}

async function samples(): Promise<Sample[]> {
  const { default: sharp } = await import('sharp');
  const pixels = { raw: { width: 5, height: 4, channels: 3 as const } };
  const image = (): ReturnType<typeof sharp> => sharp(Buffer.alloc(60, 100), pixels);
  const csv = Buffer.from('a,b,label\n1,2,0\n3,4,1\n5,6,0\n');
  const jsonl = Buffer.from('{"x":[1,2],"y":0}\n{"x":[3,4],"y":1}\n');
  const idx = Buffer.concat([Buffer.from([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2]), Buffer.alloc(12, 7)]);
  const table = { format: 'jsonl', column: 'x', labels: 'y' };
  const folder = { format: 'folder', images: 'images' };
  const records = { format: 'tfrecord', inputs: 'x.tfrecord' };
  return [
    { file: 'x.npy', bytes: npy(), recipe: { format: 'npy', inputs: 'x.npy' } },
    { file: 'x.npz', bytes: await zipOf({ 'x.npy': npy() }), recipe: { format: 'npy', inputs: 'x.npz#x' } },
    { file: 'x.npy', bytes: gzipSync(npy()), recipe: { format: 'npy', inputs: 'x.npy' } },
    { file: 'x.csv', bytes: csv, recipe: { format: 'csv', inputs: 'x.csv', labels: 'label' } },
    { file: 'x.csv.gz', bytes: gzipSync(csv), recipe: { format: 'csv', inputs: 'x.csv.gz' } },
    { file: 'x.jsonl', bytes: jsonl, recipe: { ...table, inputs: 'x.jsonl' } },
    { file: 'x.jsonl.gz', bytes: gzipSync(jsonl), recipe: { ...table, inputs: 'x.jsonl.gz' } },
    { file: 'x.idx', bytes: idx, recipe: { format: 'idx', inputs: 'x.idx' } },
    {
      file: 'x.parquet',
      bytes: readFileSync(join(root, 'test/reference/data/hugging-face.parquet')),
      recipe: { format: 'parquet', inputs: 'x.parquet' },
    },
    { file: 'x.tfrecord', bytes: reference('examples.tfrecord'), recipe: { ...records, column: 'x', labels: 'kind' } },
    { file: 'x.tfrecord', bytes: reference('examples.tfrecord'), recipe: { ...records, column: 'image' } },
    ...['plain.arrows', 'lz4.arrows', 'zstd.arrows', 'images.arrow'].map((name) => ({
      file: 'x.arrow',
      bytes: reference(name),
      recipe: { format: 'arrow', inputs: 'x.arrow', column: name === 'images.arrow' ? 'image' : 'x' },
    })),
    {
      file: 'x.tar',
      bytes: archive({ 'a.png': await image().png().toBuffer(), 'a.cls': Buffer.from('1') }),
      recipe: { format: 'webdataset', inputs: 'x.tar', labels: 'cls' },
    },
    { file: 'images/a.png', bytes: await image().png().toBuffer(), recipe: folder },
    { file: 'images/a.jpg', bytes: await image().jpeg().toBuffer(), recipe: folder },
    { file: 'images/a.tiff', bytes: await image().tiff().toBuffer(), recipe: folder },
    { file: 'images/a.webp', bytes: await image().webp().toBuffer(), recipe: folder },
    { file: 'images/a.gif', bytes: await image().gif().toBuffer(), recipe: folder },
  ];
}

export const data: Target = {
  name: 'data',
  share: 4,
  open: async (folder) => {
    const sound = (await samples()).map((sample) => ({ ...sample, recipe: sourceSchema.parse(sample.recipe) }));
    return {
      run: async (random) => {
        const { file, bytes, recipe } = pick(random, sound);
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(join(folder, 'images'), { recursive: true });
        writeFileSync(join(folder, file), random.below(20) === 0 ? bytes : mutateBytes(bytes, random));
        const source = await openSource(recipe, folder);
        try {
          await source.read(0, Math.min(4, source.samples));
        } finally {
          await source.close();
        }
      },
    };
  },
};
