/** A folder with one of each thing that a user may name by mistake: the place of the messages' tests. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Program } from '../../../bench/programs.js';
import { arrayFiles } from '../../cli/prepare/sources/array-files.js';
import { barsRecipe, writeBars } from '../bars.js';

const student = '{ builtin: mlp, hidden: [16] }';
const plain = barsRecipe({ student });
const taught = barsRecipe({ student, teacher: 'run/student/model.json' });

const tableRecipe = (train: string): string => `student: { builtin: mlp, hidden: [8] }
losses: { crossEntropy: { weight: 1 } }
data: { train: ${train} }
optimizer: { name: sgd, learningRate: 0.1 }
batch: { size: 8, micro: 2 }
epochs: 1
numerics: { backend: wasm }
`;

/** Writes it all, and trains the one model that the rest is made of. */
export async function furnish(folder: string): Promise<void> {
  const at = (name: string): string => join(folder, name);
  const write = (name: string, text: string | Uint8Array): void => writeFileSync(at(name), text);
  writeBars(folder);
  for (const name of ['folder', 'pictures/a', 'pictures/b', 'with space']) mkdirSync(at(name), { recursive: true });
  write('empty', '');
  write('one-letter', 'x');
  write('text.txt', 'certainly not what was wanted\n');
  write('plain.yaml', plain);
  write('taught.yaml', taught);
  write('with space/plain.yaml', plain.replaceAll('images.csv', '../images.csv'));
  write('table.yaml', tableRecipe('{ format: csv, inputs: good.csv, labels: kind }'));
  write('lines.yaml', tableRecipe('{ format: jsonl, inputs: good.jsonl, column: x, labels: y }'));
  write('arrays.yaml', tableRecipe('{ format: npy, inputs: x.npy, labels: y.npy }'));
  write('pictures.yaml', tableRecipe('{ format: folder, images: pictures, labels: folders }'));
  write('list.yaml', '- a\n- b\n');
  write('cut.yaml', 'student: {');
  write('tabs.yaml', 'student:\n\tbuiltin: mlp\n');
  write('twice.yaml', `${plain}epochs: 3\n`);
  write('bytes.yaml', Uint8Array.of(0xff, 0xfe, 0, 1, 2, 3));
  await train(folder);
  cpSync(at('run'), at('unfinished'), { recursive: true });
  for (const name of ['summary.json', 'student']) rmSync(at(join('unfinished', name)), { recursive: true });
  spoil(folder);
  writeTables(folder);
}

async function train(folder: string): Promise<void> {
  const at = (name: string): string => join(folder, name);
  const flags = ['--workers', '1', '--set', 'epochs=1', '--out', at('run'), '--quiet'];
  const environment = { STILLHOUSE_CACHE: at('cache') };
  const trained = await new Program(['run', at('plain.yaml'), ...flags], environment).ended;
  if (trained.code !== 0) throw new Error(trained.stderr);
  const exported = await new Program(['export', at('run'), '--format', 'onnx', '--out', at('onnx')], environment).ended;
  if (exported.code !== 0) throw new Error(exported.stderr);
}

/** Models and runs that somebody has damaged. */
function spoil(folder: string): void {
  const at = (name: string): string => join(folder, name);
  for (const name of ['cut-summary', 'cut-journal', 'cut-recipe']) cpSync(at('run'), at(name), { recursive: true });
  writeFileSync(at('cut-summary/summary.json'), '{"digest":');
  writeFileSync(at('cut-journal/journal.jsonl'), 'no journal\nat all\n');
  writeFileSync(at('cut-recipe/recipe.yaml'), 'student: [');
  for (const name of ['short', 'weightless']) cpSync(at('run/student'), at(name), { recursive: true });
  writeFileSync(at('short/weights.bin'), readFileSync(at('run/student/weights.bin')).subarray(0, 100));
  rmSync(at('weightless/weights.bin'));
  writeFileSync(at('text.onnx'), 'certainly not a model');
  writeFileSync(at('cut.onnx'), readFileSync(at('onnx/student.onnx')).subarray(0, 1000));
  writeFileSync(at('config.json'), '{"model_type":"bert"}');
  writeFileSync(at('net.pt'), Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0, 0, 0));
  writeFileSync(at('net.h5'), Buffer.concat([Uint8Array.of(0x89), Buffer.from('HDF\r\n'), Uint8Array.of(0x1a, 10)]));
}

/** Data with one thing wrong in each. */
function writeTables(folder: string): void {
  const write = (name: string, text: string | Uint8Array): void => writeFileSync(join(folder, name), text);
  const rows = (label: (i: number) => string, first = (i: number): string => `${i % 7}`): string =>
    ['a,b,kind', ...Array.from({ length: 40 }, (_, i) => `${first(i)},${i % 3},${label(i)}`)].join('\n');
  const usual = (i: number): string => String(i % 4);
  write('good.csv', rows(usual));
  write(
    'words.csv',
    rows(usual, (i) => (i === 5 ? 'red' : '1')),
  );
  write(
    'nan.csv',
    rows(usual, (i) => (i === 5 ? 'nan' : '1')),
  );
  write(
    'blank.csv',
    rows(usual, (i) => (i === 5 ? '' : '1')),
  );
  write(
    'fractions.csv',
    rows((i) => (i === 3 ? '1.5' : usual(i))),
  );
  write(
    'minus.csv',
    rows((i) => (i === 3 ? '-2' : usual(i))),
  );
  write(
    'five.csv',
    rows((i) => (i === 3 ? '5' : usual(i))),
  );
  write('header.csv', 'a,b,kind\n');
  write('semicolons.csv', rows(usual).replaceAll(',', ';'));
  write('ragged.csv', `${rows(usual)}\n1,2\n`);
  write('quote.csv', `${rows(usual)}\n1,"2,3\n`);
  write('good.jsonl', Array.from({ length: 40 }, (_, i) => JSON.stringify({ x: [i % 7, 1], y: i % 4 })).join('\n'));
  write('ragged.jsonl', '{"x":[1,2],"y":0}\n{"x":[1,2,3],"y":1}\n');
  write('cut.jsonl', '{"x":[1,2],"y":0}\n{"x":[1,');
  write('bare.jsonl', '[1,2]\n[3,4]\n');
  write('array.json', '[{"x":[1,2],"y":0},{"x":[3,4],"y":1}]');
  write('text.parquet', 'certainly not parquet');
  write('text.npy', 'certainly not an array');
  write('text.npz', 'certainly not an archive');
  write('token', 'short');
  write('token-of-two-words', 'a token that is long enough for anybody, but of several words');
  write('plugin.mjs', 'export const nothing = 1;\n');
  write('broken.mjs', 'export default {\n');
  const { npy } = arrayFiles(folder);
  npy(
    'x.npy',
    [40, 2],
    Array.from({ length: 80 }, (_, i) => i % 7),
  );
  npy(
    'y.npy',
    [40],
    Array.from({ length: 40 }, (_, i) => i % 4),
  );
  npy(
    'y39.npy',
    [39],
    Array.from({ length: 39 }, (_, i) => i % 4),
  );
  npy(
    'half.npy',
    [40],
    Array.from({ length: 40 }, (_, i) => (i % 4) + 0.5),
  );
  npy(
    'nan.npy',
    [40, 2],
    Array.from({ length: 80 }, (_, i) => (i === 9 ? NaN : i % 7)),
  );
  npy('images.npy', [40, 3, 8, 8], new Array<number>(40 * 3 * 64).fill(0));
  npy('scalar.npy', [], [1]);
  npy('none.npy', [0, 2], []);
  writeFileSync(join(folder, 'x-cut.npy'), readFileSync(join(folder, 'x.npy')).subarray(0, 200));
}
