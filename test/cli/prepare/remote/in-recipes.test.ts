/** Remote names where recipes name files: data of every kind of name, models with their weights, secrets. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withLocalModels, withLocalTeachers } from '../../../../cli/prepare/remote-models.js';
import { hideSecrets } from '../../../../cli/prepare/remote-recipe.js';
import { RemoteFiles } from '../../../../cli/prepare/remote/remote-files.js';
import { openSource } from '../../../../cli/prepare/sources/chosen-source.js';
import { checkFiles } from '../../../../cli/prepare/missing-files.js';
import { readRecipe } from '../../../../shared/recipe/read.js';
import { FileServer } from './file-server.js';

const scratch = mkdtempSync(join(tmpdir(), 'stillhouse-in-recipes-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const wide = fileURLToPath(new URL('../../../../examples/mnist/teachers/wide', import.meta.url));
let server: FileServer;
let remote: RemoteFiles;
beforeEach(async () => {
  server = await FileServer.start();
  const cache = mkdtempSync(join(scratch, 'cache-'));
  remote = new RemoteFiles({ env: {}, cache: async () => cache, retryMs: 1, attempts: 2 });
});
afterEach(async () => server.stop());

const read = (student: string, data: string, more = ''): ReturnType<typeof readRecipe> =>
  readRecipe(
    `student: ${student}
${more}losses: { crossEntropy: { weight: 1 } }
data:
  train: ${data}
optimizer: { name: adam, learningRate: 0.001 }
batch: { size: 64 }
epochs: 2
`,
    { file: 'r.yaml' },
  );

describe('data', () => {
  it('is read from a list of names of both kinds, in its order', async () => {
    server.put('/a.csv', 'x,kind\n1,0\n2,1\n');
    server.put('/b.csv', 'x,kind\n3,0\n');
    const inputs = [`${server.url}/b.csv`, `${server.url}/a.csv`];
    const { recipe } = read('{ builtin: mlp }', `{ format: csv, inputs: ${JSON.stringify(inputs)}, labels: kind }`);
    const source = await openSource(recipe.data.train, scratch, { remote });
    expect(await source.read(0, 3)).toEqual(Float32Array.of(3, 1, 2));
    await source.close();
  });

  it('is an array of an archive by the name behind it', async () => {
    const { recipe } = read(
      '{ builtin: mlp }',
      `{ format: npy, inputs: "${server.url}/set.npz#x", labels: "${server.url}/set.npz#y" }`,
    );
    server.put('/set.npz', 'no archive');
    const error: unknown = await openSource(recipe.data.train, scratch, { remote }).catch((found: unknown) => found);
    expect(remote.error(error)).toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(`^${server.url}/set\\.npz: `),
    });
    expect(server.seen.map(({ method }) => method)).toEqual(['HEAD', 'GET']);
  });

  it('that is damaged is called by its remote name', async () => {
    server.put('/a.csv', 'x,kind\n"1,0\n');
    const { recipe } = read('{ builtin: mlp }', `{ format: csv, inputs: "${server.url}/a.csv", labels: kind }`);
    const error: unknown = await openSource(recipe.data.train, scratch, { remote }).catch((found: unknown) => found);
    expect(remote.error(error)).toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(`^${server.url}/a\\.csv: .*quote`),
    });
  });

  it('is asked for before any is read, and all that is wrong is said at once', async () => {
    const recipe = read(
      `{ model: "${server.url}/s.onnx" }`,
      `{ format: idx, images: none.idx, labels: "${server.url}/y.idx" }`,
      `teachers: [{ name: t, model: "http://127.0.0.1:1/t.onnx" }]\n`,
    );
    const error: unknown = await checkFiles(recipe, scratch, remote).catch((found: unknown) => found);
    expect(error).toMatchObject({
      exitCode: 2,
      message: [
        `r.yaml:1: student.model: ${server.url}/s.onnx given; a file that is there wanted`,
        'r.yaml:2: teachers.0.model: http://127.0.0.1:1/t.onnx: it cannot be reached (ECONNREFUSED), 2 times; a server that answers was wanted',
        'r.yaml:5: data.train.images: none.idx given; a file that is there, relative to the recipe, wanted',
        `r.yaml:5: data.train.labels: ${server.url}/y.idx given; a file that is there wanted`,
      ].join('\n'),
    });
    server.put('/z.idx', '');
    const one = read(
      '{ builtin: mlp }',
      `{ format: idx, images: "http://127.0.0.1:1/x.idx", labels: "${server.url}/z.idx" }`,
    );
    await expect(checkFiles(one, scratch, remote)).rejects.toMatchObject({ exitCode: 69 });
  });
});

describe('models', () => {
  it('come with the files of their weights', async () => {
    const manifest = JSON.parse(readFileSync(join(wide, 'model.json'), 'utf8')) as {
      weightsManifest: { paths: string[] }[];
    };
    const beside = manifest.weightsManifest.flatMap(({ paths }) => paths);
    expect(beside.length).toBeGreaterThan(0);
    for (const name of ['model.json', ...beside]) server.put(`/wide/${name}`, readFileSync(join(wide, name)));
    const model = `${server.url}/wide/model.json`;
    const { recipe } = read(
      `{ model: "${model}" }`,
      '{ format: csv, inputs: a.csv, labels: 0 }',
      `teachers: [{ name: t, model: "${model}" }]\n`,
    );
    const local = await withLocalModels(recipe, remote);
    const [teacher] = local.teachers;
    for (const path of ['model' in local.student ? local.student.model : '', teacher?.model ?? ''])
      for (const name of ['model.json', ...beside])
        expect(readFileSync(join(dirname(path), name))).toEqual(readFileSync(join(wide, name)));
    expect([...remote.identities.keys()].sort()).toEqual(
      ['model.json', ...beside].map((name) => `${server.url}/wide/${name}`).sort(),
    );
    expect(await withLocalTeachers(recipe.teachers, remote, [])).toEqual(recipe.teachers);
  });
});

describe('a recipe', () => {
  it('shows no signature and pins what it says', async () => {
    const signed = `${server.url}/a.csv?X-Amz-Signature=f00f00`;
    server.put('/a.csv', 'x,kind\n1,0\n');
    const { recipe } = read(
      '{ builtin: mlp }',
      `{ format: csv, inputs: "${signed}", labels: kind }\n  sha256: { "${signed}": '${'0'.repeat(64)}' }`,
    );
    const hidden = hideSecrets(recipe, remote);
    expect(JSON.stringify(hidden)).not.toContain('f00f00');
    await expect(openSource(hidden.data.train, scratch, { remote })).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringContaining('which data.sha256 says'),
    });
  });

  it.each([
    ['train.csv', 2],
    ['https://h/other.csv', 2],
    ['https://h/a.csv', null],
    ['https://m/model/weights.bin', null],
  ])('pins nothing but what it names: %s', (name, exitCode) => {
    const { recipe } = read(
      '{ model: "https://m/model/model.json" }',
      `{ format: csv, inputs: ["https://h/a.csv"], labels: kind }\n  sha256: { "${name}": '${'0'.repeat(64)}' }`,
    );
    if (exitCode === null) expect(() => hideSecrets(recipe, remote)).not.toThrow();
    else
      expect(() => hideSecrets(recipe, remote)).toThrow(
        expect.objectContaining({
          exitCode,
          message: `data.sha256: ${name} given; the name of a remote file, as this recipe has it, was wanted`,
        }),
      );
  });

  it('names many files by braces', async () => {
    for (const i of [1, 2, 3]) server.put(`/set/part-0${i}.csv`, `x,kind\n${i},0\n`);
    const signed = `${server.url}/set/part-{01..03}.csv?X-Amz-Signature=f00f00`;
    const { recipe } = read('{ builtin: mlp }', `{ format: csv, inputs: "${signed}", labels: kind }`);
    const hidden = hideSecrets(recipe, remote);
    const source = await openSource(hidden.data.train, scratch, { remote });
    expect(await source.read(0, 3)).toEqual(Float32Array.of(1, 2, 3));
    await source.close();
    expect(server.seen.filter(({ method }) => method === 'HEAD').map(({ path }) => path)).toEqual(
      [1, 2, 3].map((i) => `/set/part-0${i}.csv`),
    );
    await expect(remote.isThere(`${server.url}/set/part-{03..04}.csv`)).rejects.toMatchObject({
      exitCode: 2,
      message: `${server.url}/set/part-04.csv: there is no such file; one that is there was wanted`,
    });
  });

  it('is stopped in the middle of a file', async () => {
    const stop = new AbortController();
    const stopped = new RemoteFiles({ env: {}, cache: async () => scratch, stop: stop.signal });
    server.intercept = ({ method }, response) => {
      if (method === 'HEAD') return Boolean(response.writeHead(200, { 'content-length': 9, etag: '"x"' }).end());
      response.writeHead(200, { 'content-length': 9 });
      response.write('half', () => stop.abort('SIGINT'));
      return true;
    };
    await expect(stopped.local(`${server.url}/a.csv`)).rejects.toMatchObject({
      exitCode: 75,
      message: expect.stringContaining('stopped before all had come'),
    });
  });
});
