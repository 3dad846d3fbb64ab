/**
 * Bad input, through the built program: one line that names the thing, the value and the wish, and the right exit code.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { commitsOf, Program, type Ended } from '../../bench/programs.js';
import { encodeFrame } from '../../shared/protocol/codec.js';
import { closeCodes, protocolVersion, subprotocol } from '../../shared/protocol/messages.js';
import { barsRecipe, writeBars } from './bars.js';
import {
  curveOf,
  digestOf,
  scratchFolder,
  startCoordinator,
  startWorker,
  token,
  urlOf,
  type Place,
} from './processes.js';

const scratch = scratchFolder();
const folder = scratch.path;
const at = (name: string): string => join(folder, name);
afterAll(() => scratch.remove());

const plain = barsRecipe({ student: '{ builtin: mlp, hidden: [16] }' });
const taught = barsRecipe({ student: '{ builtin: mlp, hidden: [16] }', teacher: 'teacher/student/model.json' });

/** 150 images of 8x8, all zero, the file cut off after `bytes`. */
function idxImages(bytes: number): Buffer {
  const file = Buffer.alloc(16 + 150 * 64);
  [0x803, 150, 8, 8].forEach((value, i) => file.writeUInt32BE(value, 4 * i));
  return file.subarray(0, bytes);
}

function idxLabels(label: number): Buffer {
  const file = Buffer.alloc(8 + 150, label);
  [0x801, 150].forEach((value, i) => file.writeUInt32BE(value, 4 * i));
  return file;
}

function run(...args: string[]): Promise<Ended> {
  return new Program(args, { STILLHOUSE_CACHE: at('cache') }).ended;
}

beforeAll(async () => {
  writeBars(folder);
  writeFileSync(at('plain.yaml'), plain);
  const { code, stderr } = await run(
    'run',
    at('plain.yaml'),
    '--workers',
    '1',
    '--backend',
    'wasm',
    '--set',
    'epochs=1',
    '--out',
    at('teacher'),
  );
  expect(code, stderr).toBe(0);
  const lines = readFileSync(at('images.csv'), 'utf8').split('\n');
  const withLine3 = (line: string): string => lines.map((text, i) => (i === 2 ? line : text)).join('\n');
  writeFileSync(at('nan.csv'), withLine3((lines[2] ?? '').replace(/^[^,]*/, 'nan')));
  writeFileSync(at('infinite.csv'), withLine3((lines[2] ?? '').replace(/^[^,]*/, '1e999')));
  writeFileSync(at('short.csv'), withLine3((lines[2] ?? '').replace(/^[^,]*,/, '')));
  writeFileSync(
    at('small.csv'),
    lines
      .filter(Boolean)
      .map((line) => [...line.split(',').slice(0, 16), line.split(',')[64]].join())
      .join('\n'),
  );
  writeFileSync(at('cut.idx'), idxImages(5016));
  writeFileSync(at('whole.idx'), idxImages(16 + 150 * 64));
  writeFileSync(at('labels.idx'), idxLabels(1));
  writeFileSync(at('labels9.idx'), idxLabels(9));
  for (const name of ['short-weights', 'no-json']) cpSync(at('teacher/student'), at(name), { recursive: true });
  writeFileSync(at('short-weights/weights.bin'), readFileSync(at('teacher/student/weights.bin')).subarray(0, 100));
  writeFileSync(at('no-json/model.json'), '{');
  writeFileSync(at('no.onnx'), 'certainly not a model');
});

/** The recipe with one of its texts replaced everywhere. */
function changed(recipe: string, from: string, to: string): string {
  expect(recipe).toContain(from);
  return recipe.replaceAll(from, to);
}

const digest = 'f'.repeat(64);
const source = '{ format: csv, inputs: images.csv, labels: 64, header: false, shape: [8, 8, 1] }';

/** Name, recipe, what is said (FOLDER for the folder), exit code. */
const recipes: [string, () => string, string, number][] = [
  [
    'an unknown key',
    () => changed(plain, 'epochs:', 'epoch:'),
    'r.yaml:12: epoch: unknown key; did you mean epochs?',
    2,
  ],
  [
    'an unknown key inside',
    () => changed(plain, 'micro:', 'mirco:'),
    'r.yaml:11: batch.mirco: unknown key; did you mean micro?',
    2,
  ],
  [
    'a wrong type',
    () => changed(plain, 'epochs: 6', 'epochs: many'),
    'r.yaml:12: epochs: "many" given; a number wanted',
    2,
  ],
  [
    'a missing file',
    () => changed(plain, 'images.csv', 'imagez.csv'),
    'r.yaml:6: data.train.inputs: imagez.csv given; a file that is there, relative to the recipe, wanted\nr.yaml:7: data.eval.inputs: imagez.csv given; a file that is there, relative to the recipe, wanted',
    2,
  ],
  [
    'a truncated IDX file',
    () => changed(plain, `train: ${source}`, 'train: { format: idx, images: cut.idx, labels: labels.idx }'),
    'FOLDER/cut.idx: truncated: 5016 bytes; 9616 were wanted for [150, 8, 8] of uint8',
    65,
  ],
  [
    'labels out of range',
    () => changed(plain, `train: ${source}`, 'train: { format: idx, images: whole.idx, labels: labels9.idx }'),
    'data.train: sample 0 has label 9; with 4 classes labels go from 0 to 3',
    65,
  ],
  [
    'a teacher with other classes',
    () => changed(taught, 'classes: 4', 'classes: 5'),
    'teacher t: it gives 4 classes; the data has 5',
    2,
  ],
  [
    'a teacher of another input shape',
    () => changed(taught, source, '{ format: csv, inputs: small.csv, labels: 16, header: false, shape: [4, 4, 1] }'),
    "teacher t: its input shape is [8, 8, 1]; the data's samples are [4, 4, 1]",
    2,
  ],
  [
    'NaN in the data',
    () => changed(plain, 'images.csv', 'nan.csv'),
    'FOLDER/nan.csv: line 3, column 1 holds "nan"; a number was wanted',
    65,
  ],
  [
    'infinity in the data',
    () => changed(plain, 'images.csv', 'infinite.csv'),
    'FOLDER/infinite.csv: sample 2 holds Infinity at element 0; finite numbers were wanted',
    65,
  ],
  [
    'a row of too few cells',
    () => changed(plain, 'images.csv', 'short.csv'),
    'FOLDER/short.csv: line 3 has 64 cells; 65 were wanted',
    65,
  ],
  [
    'no teacher for a response term',
    () => changed(plain, 'crossEntropy: { weight: 0.5 }', 'response: { weight: 0.5 }'),
    'r.yaml:4: losses.response: there is no teacher; at least one under teachers wanted',
    2,
  ],
  [
    'a batch smaller than a micro-batch',
    () => changed(plain, 'micro: 5', 'micro: 50'),
    'r.yaml:11: batch.micro: 50 given; at most batch.size (32) wanted',
    2,
  ],
  [
    'a model file with another digest',
    () => changed(taught, 'model.json }', `model.json, sha256: ${digest} }`),
    `teacher t: the SHA-256 of teacher/student/model.json is ACTUAL; the recipe wants ${digest}`,
    65,
  ],
  [
    'a damaged weights file',
    () => changed(taught, 'teacher/student', 'short-weights'),
    'teacher t: the 100 bytes of its weight files are not the weights that its model.json lists; those were wanted',
    65,
  ],
  [
    'a model.json that is no JSON',
    () => changed(taught, 'teacher/student', 'no-json'),
    "teacher t: its model.json is not one of a tfjs model with weights: Expected property name or '}' in JSON at position 1",
    65,
  ],
  [
    'a file that is no ONNX model',
    () => changed(taught, 'teacher/student/model.json', 'no.onnx'),
    'teacher t: no.onnx is damaged or no ONNX model: ',
    65,
  ],
  ['text that is no YAML', () => changed(plain, 'epochs: 6', 'epochs: [6'), 'r.yaml:13: no YAML:', 2],
];

describe('a recipe with', () => {
  it.each(recipes)('%s is refused in one line', async (_name, recipe, wanted, code) => {
    writeFileSync(at('r.yaml'), recipe());
    const ended = await run('run', at('r.yaml'), '--workers', '1', '--backend', 'wasm', '--out', at('refused'));
    const said = ended.stderr
      .replaceAll(`${folder}/r.yaml`, 'r.yaml')
      .replaceAll(folder, 'FOLDER')
      .replace(/ is [0-9a-f]{64};/, ' is ACTUAL;');
    expect(said).toContain(`stillhouse: ${wanted}`);
    expect(said).not.toMatch(/^\s+at /m);
    // What is odd and no reason to refuse may be said before.
    const refusal = said.split('\n').filter((line) => line !== '' && !line.startsWith('warning: '));
    expect(refusal).toHaveLength(wanted.split('\n').length);
    expect([ended.code, ended.stdout]).toEqual([code, '']);
  });
});

/** The command line, what is said, exit code. */
const commands: [string[], string, number][] = [
  [['runn', 'r.yaml'], "error: unknown command 'runn'\n(Did you mean run?)", 2],
  [['run', 'r.yaml', '--worker', '2'], "error: unknown option '--worker'\n(Did you mean --workers?)", 2],
  [
    ['run', 'r.yaml', '--workers', '0'],
    "error: option '--workers <n>' argument '0' is invalid. a whole number of at least 1 was wanted",
    2,
  ],
  [['run', 'nowhere.yaml'], 'stillhouse: nowhere.yaml: no such file; a recipe was wanted', 2],
  [
    ['run', 'PLAIN', '--set', 'batch.siez=3'],
    'stillhouse: --set batch.siez=3: batch.siez: unknown key; did you mean size?',
    2,
  ],
  [['run', 'PLAIN', '--set', 'epochs=x'], 'stillhouse: --set epochs=x: epochs: "x" given; a number wanted', 2],
  [['run', 'PLAIN', '--set', 'epochs'], 'stillhouse: --set epochs: KEY.PATH=VALUE was wanted', 2],
  [
    ['worker', 'http://127.0.0.1:1'],
    "stillhouse: http://127.0.0.1:1: http:// is not a coordinator's; ws://HOST:PORT was wanted",
    2,
  ],
  [
    ['worker', 'ws://127.0.0.1:1', '--token-file', 'nowhere'],
    'stillhouse: --token-file nowhere: cannot be read; a file with the join token was wanted',
    2,
  ],
  [
    ['worker', 'ws://127.0.0.1:1', '--backend', 'wasm', '--wait', '0'],
    'stillhouse: ws://127.0.0.1:1: no coordinator for 0 s (',
    69,
  ],
  [['worker', 'ws://127.0.0.1:1', '--backend', 'wasm', '--gpu'], 'stillhouse: ', 79],
  [['worker', 'ws://127.0.0.1:1', '--backend', 'onnx', '--gpu'], 'stillhouse: a GPU was demanded', 79],
  [
    ['coordinator', 'PLAIN', '--listen', '7171'],
    "error: option '--listen <host:port>' argument '7171' is invalid. HOST:PORT was wanted",
    2,
  ],
  [
    ['coordinator', 'PLAIN', '--listen', '0.0.0.0:0'],
    'stillhouse: --listen 0.0.0.0: a token is needed beyond loopback;',
    2,
  ],
  [['export', 'nowhere'], 'stillhouse: nowhere', 2],
  [['eval', 'nowhere', '--data', 'PLAIN'], 'stillhouse: nowhere', 2],
];

describe('the command line', () => {
  it.each(commands)('%j is refused', async (args, wanted, code) => {
    const ended = await run(...args.map((arg) => (arg === 'PLAIN' ? at('plain.yaml') : arg)));
    expect(ended.stderr).toContain(wanted);
    expect(ended.stderr).not.toMatch(/^\s+at /m);
    expect(ended.code).toBe(code);
  });
});

function listenOn(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

const placeOf = (name: string, recipe = at('plain.yaml')): Place => ({
  recipe,
  out: at(name),
  caches: at(`caches-${name}`),
});

describe('at the door', () => {
  it('a port in use is 69', async () => {
    const server = createServer();
    const port = await listenOn(server);
    const { code, stderr } = await startCoordinator(placeOf('port'), { port }).ended;
    server.close();
    expect(stderr).toContain(
      `stillhouse: 127.0.0.1:${port}: the port is in use; choose another with --listen HOST:PORT`,
    );
    expect(code).toBe(69);
  });

  it('wrong tokens, older protocols and other recipes are refused, and the run goes on to its end', async () => {
    const place = placeOf('door');
    const coordinator = startCoordinator(place);
    const url = await urlOf(coordinator);
    const wrong = await startWorker(place, 'wrong', url, { STILLHOUSE_TOKEN: 'not-the-token' }).ended;
    expect([wrong.code, wrong.stderr]).toEqual([
      77,
      "stillhouse: the coordinator refused this worker (401): token missing or wrong; set STILLHOUSE_TOKEN or --token-file to the coordinator's\n",
    ]);
    expect(await statusOf(url, 'stillhouse.v0')).toBe(426);
    expect(await closeAfterHello(url, { protocol: protocolVersion - 1, recipeDigest: null })).toEqual([
      closeCodes.refused,
      `protocol ${protocolVersion - 1}; this coordinator speaks ${protocolVersion}`,
    ]);
    const [code, reason] = await closeAfterHello(url, { protocol: protocolVersion, recipeDigest: 'a'.repeat(64) });
    expect([code, reason]).toEqual([
      closeCodes.refused,
      expect.stringMatching(/^recipe aaaaaaaaaaaa; this run's is [0-9a-f]{12}$/),
    ]);
    const right = await startWorker(place, 'right', url).ended;
    expect([right.code, (await coordinator.ended).code]).toEqual([0, 0]);
  });

  it.each([
    ['an older version', 4403, 'protocol 0; this coordinator speaks 1'],
    ['another recipe', 4403, "recipe aaaaaaaaaaaa; this run's is bbbbbbbbbbbb"],
  ])('a worker that is refused for %s ends with 77 and says why', async (_name, _code, reason) => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => subprotocol });
    await new Promise((resolve) => server.once('listening', resolve));
    server.on('connection', (socket) => socket.once('message', () => socket.close(closeCodes.refused, reason)));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const { code, stderr } = await startWorker(placeOf('refused'), 'w', `ws://127.0.0.1:${port}`).ended;
    server.close();
    expect([code, stderr]).toEqual([77, `stillhouse: the coordinator refused this worker: ${reason}\n`]);
  });
});

/** The status with which a worker that speaks another protocol is turned away. */
function statusOf(url: string, spoken: string): Promise<number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${url}/worker`, [spoken], { headers: { authorization: `Bearer ${token}` } });
    socket.on('error', () => undefined);
    socket.on('unexpected-response', (_request, response) => {
      resolve(response.statusCode ?? 0);
      socket.terminate();
    });
  });
}

function closeAfterHello(
  url: string,
  { protocol, recipeDigest }: { protocol: number; recipeDigest: string | null },
): Promise<[number, string]> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${url}/worker`, [subprotocol], { headers: { authorization: `Bearer ${token}` } });
    socket.on('open', () => {
      const frame = encodeFrame({
        type: 'hello',
        run: '',
        generation: 0,
        step: 0,
        protocol,
        worker: 'other',
        recipeDigest,
        held: null,
        device: { backend: 'wasm', gpu: null, threads: 1, host: 'test', pid: 1, version: '0' },
      });
      socket.send(frame instanceof Uint8Array ? frame : Buffer.concat(frame));
    });
    socket.on('close', (code, reason) => resolve([code, reason.toString()]));
  });
}

/** A small file system of its own takes a mount, which takes root. */
const canMount = process.getuid?.() === 0;

describe.runIf(canMount)('a disk that is full', () => {
  const disk = at('disk');
  const recipe = at('disk.yaml');
  beforeAll(() => {
    mkdirSync(disk);
    // The state takes 0.42 MB, a commit 0.14: the snapshot after two steps does not fit any more.
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=900k', 'tmpfs', disk]);
    writeFileSync(
      recipe,
      barsRecipe({ student: '{ builtin: mlp, hidden: [512] }', more: 'snapshots: { everySteps: 2 }\n' }),
    );
  });
  afterAll(() => execFileSync('umount', ['-l', disk]));

  it('ends the run with 69 while it writes a snapshot, and nothing that was committed is lost', async () => {
    const out = join(disk, 'run');
    const command = ['run', recipe, '--workers', '1', '--backend', 'wasm', '--out', out];
    const full = await run(...command);
    expect(full.stderr).toMatch(
      /\nstillhouse: .*snapshot at step 2: no space left on the disk; the run is safe up to its last journalled step, run again to continue/,
    );
    expect(full.stderr).not.toMatch(/^\s+at /m);
    expect(full.code).toBe(69);
    const kept = curveOf(out);
    expect(commitsOf(out).length).toBeGreaterThanOrEqual(2);
    execFileSync('mount', ['-o', 'remount,size=64m', disk]);
    const again = await run(...command);
    expect(again.code, again.stderr).toBe(0);
    const whole = await run('run', recipe, '--workers', '1', '--backend', 'wasm', '--out', at('undisturbed'));
    expect(whole.code, whole.stderr).toBe(0);
    expect([curveOf(out), digestOf(out)]).toEqual([curveOf(at('undisturbed')), digestOf(at('undisturbed'))]);
    expect(curveOf(out).slice(0, kept.length)).toEqual(kept);
  });
});
