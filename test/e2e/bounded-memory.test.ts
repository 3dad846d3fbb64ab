/** How much memory the cutting of shards takes: the same for a set ten times larger than all that it may take. */
import { execFileSync } from 'node:child_process';
import { closeSync, createWriteStream, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createGzip } from 'node:zlib';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { sha256Of } from '../../shared/sha256.js';
import { temporaryFolder } from '../worker/fakes.js';

/**
 * What the child may take beside what it takes for a set of four samples. V8 lets 64 MiB of memory outside its heap become
 * free before it looks for it.
 */
const allowedBytes = 96 * 2 ** 20;
/** Every so many rows begin with their number, from 1; all else is zeros. */
const marked = 1024;

interface Rows {
  readonly samples: number;
  /** Numbers of a row. */
  readonly width: number;
  readonly shardSamples: number;
}

const small = 4;
/** Rows of float32, ten times what the child may take. */
const binary = { samples: Math.ceil((10 * allowedBytes) / 2 ** 14), width: 2 ** 12, shardSamples: 256 };
/** Of as many bytes: in Fortran order a number of so many samples is read at once. */
const narrow = { samples: Math.ceil((10 * allowedBytes) / 2 ** 10), width: 2 ** 8, shardSamples: 4096 };
/** A number as text: of 25 characters and what parts it from the next. */
const zero = '0.00000000000000000000000';
/** Rows of text of that size. */
const table = { samples: Math.ceil((10 * allowedBytes) / (26 * 2 ** 13)), width: 2 ** 13, shardSamples: 256 };

const markOf = (row: number): number => (row % marked === 0 ? row + 1 : 0);

function expectedShards({ samples, width, shardSamples }: Rows): string[] {
  return Array.from({ length: Math.ceil(samples / shardSamples) }, (_, shard) => {
    const from = shard * shardSamples;
    const rows = Math.min(shardSamples, samples - from);
    const values = new Float32Array(rows * width);
    for (let row = 0; row < rows; row++) values[row * width] = markOf(from + row);
    return sha256Of([Buffer.from(values.buffer), Buffer.from(new Int32Array(rows).fill(-1).buffer)]);
  });
}

const child = `
const [shards, folder, shardSamples, ...recipes] = process.argv.slice(1);
const { writeShards } = await import(shards);
const peak = () => process.resourceUsage().maxRSS * 1024;
const found = [];
for (const [i, recipe] of recipes.entries()) {
  const { dataSet } = await writeShards(JSON.parse(recipe), folder, folder + '/out' + i, { shardSamples: Number(shardSamples) });
  found.push({ peak: peak(), shards: dataSet.shards.map(({ sha256 }) => sha256) });
}
process.stdout.write(JSON.stringify(found));
`;

const shardsModule = fileURLToPath(new URL('../../dist/bench/built.js', import.meta.url));

interface Told {
  readonly peak: number;
  readonly shards: readonly string[];
}

/** Cuts a small set, and then the large one, in a process of its own with a small heap. */
function cut(
  folder: string,
  { shardSamples }: Rows,
  sets: readonly [few: object, many: object],
): readonly [Told, Told] {
  const flags = [
    '--expose-gc',
    '--max-old-space-size=40',
    '--max-semi-space-size=2',
    '--input-type=module',
    '-e',
    child,
  ];
  const recipes = sets.map((recipe) => JSON.stringify(recipe));
  const text = execFileSync(process.execPath, [...flags, shardsModule, folder, String(shardSamples), ...recipes], {
    encoding: 'utf8',
    env: { ...process.env, STILLHOUSE_UNPACKED_BYTES: String(2 ** 32) },
  });
  return JSON.parse(text) as [Told, Told];
}

function npyHeader({ samples, width }: Rows, isFortran: boolean): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': ${isFortran ? 'True' : 'False'}, 'shape': (${samples}, ${width}), }`;
  return Buffer.from(`\x93NUMPY\x01\x00\x76\x00${text.padEnd(117)}\n`, 'latin1');
}

interface Layout {
  readonly head: Buffer;
  /** Where a row's first number lies. */
  readonly placeOf: (row: number) => number;
  readonly isBig?: boolean;
}

/** A file that is zeros, but for the numbers that its rows begin with. */
function sparse(path: string, { samples, width }: Rows, { head, placeOf, isBig = false }: Layout): void {
  const file = openSync(path, 'w');
  ftruncateSync(file, head.length + 4 * samples * width);
  writeSync(file, head, 0, head.length, 0);
  for (let row = 0; row < samples; row += marked) {
    const number = Buffer.alloc(4);
    if (isBig) number.writeFloatBE(markOf(row));
    else number.writeFloatLE(markOf(row));
    writeSync(file, number, 0, 4, head.length + 4 * placeOf(row));
  }
  closeSync(file);
}

async function packedNpy(path: string, rows: Rows): Promise<void> {
  const gzip = createGzip({ level: 1 });
  const file = createWriteStream(path);
  gzip.pipe(file);
  gzip.write(npyHeader(rows, false));
  for (let row = 0; row < rows.samples; row++) {
    const values = new Float32Array(rows.width);
    values[0] = markOf(row);
    if (!gzip.write(Buffer.from(values.buffer))) await once(gzip, 'drain');
  }
  gzip.end();
  await once(file, 'finish');
}

function lines(path: string, { samples, width }: Rows, line: (cells: string) => string): void {
  const file = openSync(path, 'w');
  const zeros = `,${zero}`.repeat(width - 1);
  for (let row = 0; row < samples; row++) writeSync(file, `${line(`${markOf(row)}${zeros}`)}\n`);
  closeSync(file);
}

interface Format {
  readonly rows: Rows;
  /** @returns the recipe */
  readonly write: (path: string, rows: Rows) => object | Promise<object>;
}

const formats: Readonly<Record<string, Format>> = {
  'npy in C order': {
    rows: binary,
    write: (inputs, rows) => {
      sparse(inputs, rows, { head: npyHeader(rows, false), placeOf: (row) => row * rows.width });
      return { format: 'npy', inputs };
    },
  },
  'npy in Fortran order': {
    rows: narrow,
    write: (inputs, rows) => {
      sparse(inputs, rows, { head: npyHeader(rows, true), placeOf: (row) => row });
      return { format: 'npy', inputs };
    },
  },
  'npy that is packed': {
    rows: binary,
    write: async (inputs, rows) => {
      await packedNpy(inputs, rows);
      return { format: 'npy', inputs };
    },
  },
  idx: {
    rows: binary,
    write: (inputs, rows) => {
      const head = Buffer.from([0, 0, 0x0d, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
      head.writeUInt32BE(rows.samples, 4);
      head.writeUInt32BE(rows.width, 8);
      sparse(inputs, rows, { head, placeOf: (row) => row * rows.width, isBig: true });
      return { format: 'idx', inputs };
    },
  },
  csv: {
    rows: table,
    write: (inputs, rows) => {
      lines(inputs, rows, (cells) => cells);
      return { format: 'csv', inputs, header: false, delimiter: ',' };
    },
  },
  jsonl: {
    rows: table,
    write: (inputs, rows) => {
      lines(inputs, rows, (cells) => `{"x":[${cells}]}`);
      return { format: 'jsonl', inputs };
    },
  },
};

describe('a data set ten times larger than the memory that its shards may take', () => {
  it.each(Object.entries(formats))(
    'is cut within it, to the same shards: %s',
    { timeout: 600_000 },
    async (_, { rows, write }) => {
      const folder = temporaryFolder();
      const [path, fewPath] = [join(folder, 'large'), join(folder, 'small')];
      const recipes = [await write(fewPath, { ...rows, samples: small }), await write(path, rows)] as const;
      const [few, many] = cut(folder, rows, recipes);
      expect(many.shards).toEqual(expectedShards(rows));
      expect(many.peak - few.peak).toBeLessThan(allowedBytes);
    },
  );
});
