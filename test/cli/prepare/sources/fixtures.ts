/** One small data set, written in every format. A format in the list without a fixture does not compile. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Field, Float64, List, Table, Utf8, tableToIPC, vectorFromArray } from 'apache-arrow';
import { parquetWriteBuffer } from 'hyparquet-writer';
import sharp from 'sharp';
import type { FormatName } from '../../../../cli/prepare/sources/source.js';
import { arrayFiles } from './array-files.js';
import { exampleOf, recordOf } from './records.js';

export interface DataSetContent {
  /** [samples] of 2 x 2 whole numbers below 256. */
  readonly inputs: readonly (readonly number[])[];
  /** -1 for none. */
  readonly labels?: readonly number[];
  readonly weights?: readonly number[];
  /** Null for none. */
  readonly targets?: readonly (readonly number[] | null)[];
  /** What column `who` says of who labels each sample; null for nothing. */
  readonly routes?: readonly (string | null)[];
}

export interface Fixture {
  /** What the format can hold beside inputs and whole labels. */
  readonly can: ReadonlySet<'missing labels' | 'weights' | 'targets' | 'routes'>;
  readonly shape: readonly number[];
  readonly dtype: 'uint8' | 'float32';
  /** Writes the data set into an empty folder. @returns the recipe of a source, with a key for all that is given */
  write(folder: string, content: DataSetContent): Promise<object>;
  /** The file or folder of the inputs that `write` writes. */
  readonly inputs: string;
  /** Bytes in place of the inputs that are none of the format; null: they are no file. */
  readonly damaged: string | null;
  /** What the recipe may say of labels that are not there, and the exit code. */
  readonly noLabels: { readonly recipe: object; readonly exitCode: number };
}

const all = new Set(['missing labels', 'weights', 'targets'] as const);
const table = new Set([...all, 'routes'] as const);

function arrays(format: 'npy' | 'idx'): Fixture {
  return {
    can: all,
    shape: [2, 2],
    dtype: 'float32',
    inputs: `x.${format}`,
    damaged: 'no array',
    noLabels: { recipe: { labels: `none.${format}` }, exitCode: 2 },
    async write(folder, { inputs, labels, weights, targets }) {
      const write = arrayFiles(folder)[format];
      const samples = inputs.length;
      write(`x.${format}`, [samples, 2, 2], inputs.flat());
      if (labels !== undefined) write(`y.${format}`, [samples], labels);
      if (weights !== undefined) write(`w.${format}`, [samples], weights);
      const width = targets?.find((target) => target !== null)?.length ?? 0;
      const vectors = targets?.flatMap((target) => target ?? new Array<number>(width).fill(NaN));
      if (vectors !== undefined) write(`t.${format}`, [samples, width], vectors);
      return {
        format,
        inputs: `x.${format}`,
        ...(labels === undefined ? {} : { labels: `y.${format}` }),
        ...(weights === undefined ? {} : { weights: `w.${format}` }),
        ...(targets === undefined ? {} : { targets: `t.${format}` }),
      };
    },
  };
}

interface TableRow {
  readonly x: readonly number[];
  readonly y?: number | null;
  readonly w?: number;
  readonly who?: string | null;
  readonly [target: `t${number}`]: number | null;
}

function tableRows({ inputs, labels, weights, targets, routes }: DataSetContent): TableRow[] {
  const width = targets?.find((target) => target !== null)?.length ?? 0;
  return inputs.map((x, i) => ({
    x,
    ...(labels === undefined ? {} : { y: labels[i] === -1 ? null : (labels[i] ?? null) }),
    ...(weights === undefined ? {} : { w: weights[i] ?? 1 }),
    ...(routes === undefined ? {} : { who: routes[i] ?? null }),
    ...Object.fromEntries(
      Array.from({ length: targets === undefined ? 0 : width }, (_, k) => [`t${k}`, targets?.[i]?.[k] ?? null]),
    ),
  }));
}

/** The recipe's keys for the columns that the rows have. */
function columnsOf([first]: readonly TableRow[]): object {
  const names = Object.keys(first ?? {});
  const targets = names.filter((name) => name.startsWith('t'));
  return {
    ...(names.includes('y') ? { labels: 'y' } : {}),
    ...(names.includes('w') ? { weights: 'w' } : {}),
    ...(targets.length === 0 ? {} : { targets }),
  };
}

export const fixtures: Readonly<Record<FormatName, Fixture>> = {
  npy: arrays('npy'),
  idx: arrays('idx'),
  csv: {
    can: table,
    shape: [2, 2],
    dtype: 'float32',
    inputs: 'set.csv',
    damaged: 'a,b,c,d\n1,2,3,"x',
    noLabels: { recipe: { labels: 'none' }, exitCode: 65 },
    async write(folder, content) {
      const rows = tableRows(content);
      const lines = rows.map(({ x, ...beside }) => [...Object.values(beside), ...x].map((cell) => cell ?? '').join());
      const names = Object.keys(rows[0] ?? {}).filter((name) => name !== 'x');
      writeFileSync(join(folder, 'set.csv'), [[...names, 'a', 'b', 'c', 'd'].join(), ...lines].join('\n'));
      return { format: 'csv', inputs: 'set.csv', shape: [2, 2], ...columnsOf(rows) };
    },
  },
  jsonl: {
    can: table,
    shape: [2, 2],
    dtype: 'float32',
    inputs: 'set.jsonl',
    damaged: '{"x": [1',
    noLabels: { recipe: { labels: 'none' }, exitCode: 65 },
    async write(folder, content) {
      const rows = tableRows(content);
      const lines = rows.map(({ x, ...beside }) => JSON.stringify({ x: [x.slice(0, 2), x.slice(2)], ...beside }));
      writeFileSync(join(folder, 'set.jsonl'), lines.join('\n'));
      return { format: 'jsonl', inputs: 'set.jsonl', column: 'x', ...columnsOf(rows) };
    },
  },
  parquet: {
    can: table,
    shape: [2, 2],
    dtype: 'float32',
    inputs: 'set.parquet',
    damaged: 'no Parquet',
    noLabels: { recipe: { labels: 'none' }, exitCode: 65 },
    async write(folder, content) {
      const rows = tableRows(content);
      const columnData = Object.keys(rows[0] ?? {}).map((name) => ({
        name,
        data: rows.map((row) => row[name as keyof TableRow]),
        type: name === 'x' ? ('JSON' as const) : name === 'who' ? ('STRING' as const) : ('DOUBLE' as const),
        nullable: true,
      }));
      writeFileSync(join(folder, 'set.parquet'), new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 2 })));
      return { format: 'parquet', inputs: 'set.parquet', column: 'x', shape: [2, 2], ...columnsOf(rows) };
    },
  },
  folder: {
    can: new Set(),
    shape: [2, 2, 1],
    dtype: 'uint8',
    inputs: 'images',
    damaged: null,
    noLabels: { recipe: { labels: 'folders', images: 'images/0' }, exitCode: 2 },
    async write(folder, { inputs, labels }) {
      for (const [i, pixels] of inputs.entries()) {
        const path = join(folder, 'images', String(labels?.[i] ?? 0));
        mkdirSync(path, { recursive: true });
        const raw = sharp(Uint8Array.from(pixels), { raw: { height: 2, width: 2, channels: 1 } });
        await raw.toColourspace('b-w').toFile(join(path, `${i}.png`));
      }
      return { format: 'folder', images: 'images', ...(labels === undefined ? {} : { labels: 'folders' }) };
    },
  },
  webdataset: {
    can: new Set(['missing labels', 'routes']),
    shape: [2, 2, 1],
    dtype: 'uint8',
    inputs: 'set.tar',
    damaged: 'no archive'.padEnd(1024),
    noLabels: { recipe: { labels: 'none' }, exitCode: 65 },
    async write(folder, { inputs, labels, routes }) {
      const files: string[] = [];
      const put = (name: string, bytes: Uint8Array | string): void => {
        writeFileSync(join(folder, name), bytes);
        files.push(name);
      };
      for (const [i, pixels] of inputs.entries()) {
        const raw = sharp(Uint8Array.from(pixels), { raw: { height: 2, width: 2, channels: 1 } });
        put(`${i}.png`, await raw.toColourspace('b-w').png().toBuffer());
        if (labels !== undefined) put(`${i}.cls`, `${labels[i]}\n`);
        if (routes?.[i] !== undefined && routes[i] !== null) put(`${i}.who`, `${routes[i]}\n`);
      }
      execFileSync('tar', ['-cf', 'set.tar', ...files], { cwd: folder });
      return { format: 'webdataset', inputs: 'set.tar', ...(labels === undefined ? {} : { labels: 'cls' }) };
    },
  },
  tfrecord: {
    can: table,
    shape: [2, 2],
    dtype: 'float32',
    inputs: 'set.tfrecord',
    damaged: 'no record of any kind',
    noLabels: { recipe: { labels: 'none' }, exitCode: 65 },
    async write(folder, content) {
      const rows = tableRows(content);
      const records = rows.map(({ who, ...row }) =>
        recordOf(exampleOf({ ...row, ...(who === undefined ? {} : { who: who === null ? null : Buffer.from(who) }) })),
      );
      writeFileSync(join(folder, 'set.tfrecord'), Buffer.concat(records));
      return { format: 'tfrecord', inputs: 'set.tfrecord', column: 'x', shape: [2, 2], ...columnsOf(rows) };
    },
  },
  arrow: {
    can: table,
    shape: [2, 2],
    dtype: 'float32',
    inputs: 'set.arrow',
    damaged: 'no Arrow, but a text that is long enough',
    noLabels: { recipe: { labels: 'none' }, exitCode: 65 },
    async write(folder, content) {
      const rows = tableRows(content);
      const list = new List(new Field('item', new Float64()));
      const vectors = Object.keys(rows[0] ?? {}).map((name) => {
        const values = rows.map((row) => row[name as keyof TableRow] ?? null);
        return [
          name,
          vectorFromArray(values, name === 'x' ? list : name === 'who' ? new Utf8() : new Float64()),
        ] as const;
      });
      const halves = [rows.slice(0, 2), rows.slice(2)].map(
        ({ length }, half) => [2 * half, 2 * half + length] as const,
      );
      const whole = new Table(Object.fromEntries(vectors));
      const batches = halves.flatMap(([from, to]) => whole.slice(from, to).batches);
      writeFileSync(join(folder, 'set.arrow'), tableToIPC(new Table(batches), 'stream'));
      return { format: 'arrow', inputs: 'set.arrow', column: 'x', shape: [2, 2], ...columnsOf(rows) };
    },
  },
};
