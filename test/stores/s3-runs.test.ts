/**
 * Runs whose files lie in a bucket of moto, with real processes. It checks signatures from the test of keys on: before,
 * folders are listed, of which it takes no signature, not even of Amazon's own library.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Program, type Ended } from '../../bench/programs.js';
import { digestOf, scratchFolder } from '../e2e/processes.js';
import { barsRecipe, samples, writeBars } from '../e2e/bars.js';
import { MotoServer } from './moto.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
const classes = ['down', 'up'];
const imagesOfClass = 24;
let store: MotoServer;

beforeAll(async () => {
  writeBars(scratch.path);
  store = await MotoServer.start(process.env.STILLHOUSE_MOTO ?? '');
  await store.put('bucket');
  await putTables();
  await putImages();
});
afterAll(async () => {
  await store.stop();
  scratch.remove();
});

/** Writes a file of this machine and an object of the bucket alike. */
async function put(name: string, bytes: string | Uint8Array<ArrayBuffer>): Promise<void> {
  mkdirSync(join(at(name), '..'), { recursive: true });
  writeFileSync(at(name), bytes);
  await store.put(`bucket/${name}`, bytes);
}

async function putTables(): Promise<void> {
  const lines = readFileSync(at('images.csv'), 'utf8').trim().split('\n');
  await put('tables/a.csv', `${lines.slice(0, 70).join('\n')}\n`);
  await put('flat-a.csv', lines.join('\n'));
  await put('tables/b.csv', `${lines.slice(70).join('\n')}\n`);
  const rows = lines.map((line) => line.split(',').map(Number));
  const columnData = Array.from({ length: 64 }, (_, at) => ({
    name: `p${at}`,
    data: Float32Array.from(rows, (row) => row[at] ?? 0),
  }));
  const kinds = { name: 'kind', data: Int32Array.from(rows, (_, i) => i % 4) };
  await put('tables/kinds.parquet', new Uint8Array(parquetWriteBuffer({ columnData: [...columnData, kinds] })));
}

async function putImages(): Promise<void> {
  for (const [label, name] of classes.entries())
    for (let i = 0; i < imagesOfClass; i++) {
      const pixels = Uint8Array.from({ length: 64 }, (_, p) => (p >> 5 === label ? 200 : 0) + ((p * 7 + i * 13) % 50));
      const png = await sharp(pixels, { raw: { width: 8, height: 8, channels: 1 } })
        .png()
        .toBuffer();
      await put(`pictures/${name}/${i}.png`, new Uint8Array(png));
    }
}

function start(args: readonly string[], keys: Partial<Record<string, string>> = {}): Program {
  const environment = {
    STILLHOUSE_CACHE: at('cache'),
    AWS_ENDPOINT_URL: store.url,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: store.keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: store.keys.secretAccessKey,
    ...keys,
  };
  return new Program(args, environment, 100_000);
}

/** Trains on files of this machine, and on those of the bucket. @returns the ends of both, in that order */
async function both(name: string, recipe: (root: string) => string): Promise<Ended[]> {
  const ends: Ended[] = [];
  for (const [place, root] of Object.entries({ near: '', far: 's3://bucket/' })) {
    writeFileSync(at(`${name}-${place}.yaml`), recipe(root));
    ends.push(
      await start(['run', at(`${name}-${place}.yaml`), '--workers', '1', '--out', at(`${name}-${place}`)]).ended,
    );
  }
  return ends;
}

const bars = (inputs: string, epochs = 2): string =>
  barsRecipe({ student: '{ builtin: mlp, hidden: [16] }' })
    .replaceAll('images.csv', `"${inputs}"`)
    .replace(/epochs: \d+/, `epochs: ${epochs}`);

const pictures = (root: string): string => `seed: 3
student: { builtin: cnn-small, filters: 2 }
losses: { crossEntropy: { weight: 1 } }
data:
  train: { format: folder, images: "${root}pictures", labels: folders, channels: 1 }
  eval: { format: folder, images: "${root}pictures/", labels: folders, channels: 1 }
optimizer: { name: sgd, learningRate: 0.01 }
batch: { size: 16, micro: 8 }
epochs: 2
numerics: { backend: wasm }
`;

describe('a run from a bucket', () => {
  it('has the bits of one from this machine, with a pattern of tables', async () => {
    const [near, far] = await both('tables', (root) => bars(`${root}tables/*.csv`));
    expect([near?.code, far?.code], far?.stderr).toEqual([0, 0]);
    expect(digestOf(at('tables-far'))).toBe(digestOf(at('tables-near')));
    expect(far?.stdout).toContain(`${2 * samples} samples`);
  });

  it('has the bits of one from this machine, with Parquet', async () => {
    const source = '{ format: parquet, inputs: ROOTtables/kinds.parquet, labels: kind, shape: [8, 8, 1] }';
    const [near, far] = await both('parquet', (root) =>
      bars('images.csv').replaceAll(/\{ format: csv[^}]*\}/g, source.replace('ROOT', root)),
    );
    expect([near?.code, far?.code], far?.stderr).toEqual([0, 0]);
    expect(digestOf(at('parquet-far'))).toBe(digestOf(at('parquet-near')));
  });

  it('has the bits of one from this machine, with a folder of images', async () => {
    const [near, far] = await both('pictures', pictures);
    expect([near?.code, far?.code], far?.stderr).toEqual([0, 0]);
    expect(digestOf(at('pictures-far'))).toBe(digestOf(at('pictures-near')));
    expect(far?.stderr).toContain(`fetching s3://bucket/pictures: ${2 * imagesOfClass} files, `);
  });

  it('is refused when an object has changed before it goes on', async () => {
    writeFileSync(at('long.yaml'), bars('s3://bucket/tables/*.csv', 5_000));
    const args = ['run', at('long.yaml'), '--workers', '1', '--out', at('long')];
    const first = start(args);
    await first.says(/epoch 2/);
    first.child.kill('SIGTERM');
    expect((await first.ended).code).toBe(75);
    const old = readFileSync(at('tables/a.csv'), 'utf8');
    await store.put('bucket/tables/a.csv', old.replace(/^./, '9'));
    const refused = await start(args).ended;
    expect(refused.code).toBe(65);
    expect(refused.stderr).toMatch(/s3:\/\/bucket\/tables\/\*\.csv: it has changed since this run began: 2 files, /);
    await store.put('bucket/tables/a.csv', old);
    const again = start(args);
    await again.says(/epoch \d+: loss/);
    again.child.kill('SIGTERM');
    expect((await again.ended).code).toBe(75);
  }, 300_000);

  it('is signed as the store wants it, and refused by keys that the store does not know, by a wrong secret and by none', async () => {
    writeFileSync(at('keys.yaml'), bars('s3://bucket/tables/a.csv'));
    await store.askForKeys('s3:*');
    const said = async (keys: Record<string, string>): Promise<Ended> =>
      start(['validate', at('keys.yaml')], keys).ended;
    writeFileSync(at('flat.yaml'), bars('s3://bucket/flat-*.csv'));
    const listed = await start(['validate', at('flat.yaml')]).ended;
    expect(listed.code, listed.stderr).toBe(0);
    const good = await said({});
    expect(good.code, good.stderr).toBe(0);
    const unknown = await said({ AWS_ACCESS_KEY_ID: 'AKIAUNKNOWN0000000' });
    const wrong = await said({ AWS_SECRET_ACCESS_KEY: 'wrong-secret' });
    const none = await said({ AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', HOME: scratch.path });
    expect([unknown.code, wrong.code, none.code]).toEqual([2, 2, 2]);
    expect(unknown.stderr).toContain(
      's3://bucket/tables/a.csv: the store answers 403 InvalidAccessKeyId: the access key is not known',
    );
    expect(wrong.stderr).toContain(
      'the store answers 403 SignatureDoesNotMatch: the secret key is not the one of the access key',
    );
    expect(none.stderr).toContain('s3: no credentials');
    expect(unknown.stderr + wrong.stderr).not.toMatch(/wrong-secret|AKIAUNKNOWN/);
  });

  it('is refused where there is no such bucket or object', async () => {
    for (const name of ['s3://bucket/none-*.csv', 's3://nobucket/*.csv', 's3://nobucket/a.csv']) {
      writeFileSync(at('none.yaml'), bars(name));
      const found = await start(['validate', at('none.yaml')]).ended;
      expect(found.code, found.stderr).toBe(2);
      expect(found.stderr).toContain(name.replace('*.csv', ''));
    }
  });

  it('leaves the secret nowhere', () => {
    const texts = ['cache', 'tables-far', 'pictures-far', 'long'].flatMap((folder) =>
      readdirSync(at(folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1')),
    );
    expect(texts.length).toBeGreaterThan(50);
    expect(texts.filter((text) => text.includes(store.keys.secretAccessKey))).toEqual([]);
  });
});
