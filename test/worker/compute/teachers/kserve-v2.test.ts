import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { randomStream } from '../../../../shared/random.js';
import { ModelServer, type Served } from '../../../../worker/compute/teachers/formats/kserve-client.js';
import { describeServed } from '../../../../worker/compute/teachers/formats/kserve-v2.js';
import type { InputValues, Teacher, TeacherSource } from '../../../../worker/compute/teachers/formats/teacher.js';
import { forwardInFixedRows } from '../../../../worker/compute/teachers/fixed-rows.js';
import { openTeacher } from '../../../../worker/compute/teachers/teacher-formats.js';
import { noTensorFlow, reference, referenceFolder, temporaryFolder } from './fixtures.js';
import { startModelServer, type TestModelServer } from './model-server.js';

const path = join(referenceFolder, 'tiny.onnx');
const { shape, classes } = reference;
const [height = 1, width = 1, channels = 1] = shape;
const rows = 4;
const random = randomStream(['served']);
const given: InputValues[] = [
  {
    shape: [rows, channels, height, width],
    values: Float32Array.from({ length: rows * height * width * channels }, () => random.float()),
  },
];

let server: TestModelServer;
/** A port that nobody listens at. */
let closed = 0;
beforeAll(async () => {
  const gone = await startModelServer(path);
  closed = gone.port;
  await gone.stop();
  server = await startModelServer(path);
});
afterAll(() => server.stop());
const untouched = { answer: () => false, isBinary: true, version: '3', versions: ['3'], isDescribed: true };
afterEach(() => {
  Object.assign(server.behaviour, untouched, {
    change: (values: Float32Array, dims: number[]) => ({ values, shape: dims }),
  });
});

const servedBy = (more: Partial<Served> = {}): Served => ({
  url: server.url,
  deadlineSeconds: 5,
  retries: 0,
  concurrency: 2,
  ...more,
});

/** The server's model, as it is described now. */
async function opened(more: Partial<Served> = {}, source: Partial<TeacherSource> = {}): Promise<Teacher> {
  const served = servedBy(more);
  const { model } = await describeServed('far', new ModelServer('far', servedBy()));
  const file = join(temporaryFolder(), 'served-model.json');
  writeFileSync(file, JSON.stringify(model));
  return openTeacher(
    { name: 'far', format: 'kserve-v2', served, paths: new Map([['served-model.json', file]]), ...source },
    noTensorFlow,
  );
}

async function expected(): Promise<Float32Array> {
  const teacher = await openTeacher(
    { name: 'near', format: 'onnx', paths: new Map([['tiny.onnx', path]]) },
    noTensorFlow,
  );
  const { output } = await teacher.forward(given);
  await teacher.dispose();
  return output;
}

describe('a teacher on a server', () => {
  it.each([true, false])('gives the bits that its model gives, with tensors as bytes: %s', async (isBinary) => {
    server.behaviour.isBinary = isBinary;
    const teacher = await opened();
    expect(teacher.inputs).toEqual([expect.objectContaining({ shape: [channels, height, width], integerType: null })]);
    expect((await teacher.forward(given)).output).toEqual(await expected());
    expect(server.asked.at(-1)?.['inference-header-content-length'] !== undefined).toBe(isBinary);
  });

  it('gives a sample the same bits at any place, in forwards of a fixed number of rows', async () => {
    const teacher = await opened();
    const [{ values } = { values: new Float32Array(0) }] = given;
    const size = values.length / rows;
    const feed = {
      of: (all: Float32Array, count: number) => [{ values: all, shape: [count, channels, height, width] }],
    };
    const run = async (some: Float32Array, count: number): Promise<Float32Array> =>
      (await forwardInFixedRows(teacher, some, { rows: count, feed, fixedRows: 3 })).output;
    const all = await run(values, rows);
    for (const row of [0, 3])
      expect(await run(values.slice(row * size, (row + 1) * size), 1)).toEqual(
        all.slice(row * classes, (row + 1) * classes),
      );
  });

  it('is refused without a description, or with one that is damaged', async () => {
    const file = join(temporaryFolder(), 'served-model.json');
    const refused = (paths: Map<string, string>): Promise<void> =>
      expect(
        openTeacher({ name: 'far', format: 'kserve-v2', served: servedBy(), paths }, noTensorFlow),
      ).rejects.toMatchObject({
        exitCode: 65,
        message: expect.stringMatching(/^teacher far: /),
      });
    await refused(new Map());
    for (const content of ['{"protocol": "kserve-', '{"protocol": "kserve-v2"}']) {
      writeFileSync(file, content);
      await refused(new Map([['served-model.json', file]]));
    }
  });

  it('is asked nothing before its first forward', async () => {
    const teacher = await opened({ url: `http://127.0.0.1:${closed}/v2/models/tiny` });
    expect(teacher.fixedRows).toBeNull();
    await expect(teacher.forward(given)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('is asked again where another attempt may help, and only so often', async () => {
    const teacher = await opened({ retries: 1 });
    const before = server.asked.length;
    server.behaviour.answer = (response, n) => {
      if (n !== before + 1) return false;
      response.statusCode = 500;
      response.end('busy');
      return true;
    };
    expect((await teacher.forward(given)).output).toEqual(await expected());
    expect(server.asked.length - before).toBe(2);
    server.behaviour.answer = (response) => {
      response.statusCode = 503;
      response.end();
      return true;
    };
    await expect(teacher.forward(given)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringMatching(/^teacher far: .*\/infer: it answers 503, 2 times; a server that answers wanted$/),
    });
    expect(server.asked.length - before).toBe(4);
  });

  it.each([
    ['while it waits for an answer', {}],
    ['while it pauses before another attempt', { retries: 3 }],
  ])('ends at once when it is to stop, %s', async (_when, more) => {
    const stop = new AbortController();
    const teacher = await opened({ deadlineSeconds: 200, ...more }, { stop: stop.signal });
    const isPausing = 'retries' in more;
    const asked = new Promise<void>((resolve) => {
      server.behaviour.answer = (response) => {
        if (isPausing) response.writeHead(503).end(() => void resolve());
        else resolve();
        return true;
      };
    });
    const answer = teacher.forward(given);
    answer.catch(() => undefined);
    await asked;
    stop.abort();
    await expect(answer).rejects.toMatchObject({
      exitCode: 75,
      message: 'teacher far: stopped before its server had answered',
    });
  });

  it('has a deadline for each attempt', async () => {
    server.behaviour.answer = () => true;
    const teacher = await opened({ deadlineSeconds: 0.2 });
    await expect(teacher.forward(given)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('no answer within 0.2 s, 1 time'),
    });
  });

  it.each<[string, Partial<TestModelServer['behaviour']>, RegExp]>([
    ['another version', { version: '4' }, /its server has version 4; version 3 wanted, as where the run was prepared/],
    [
      'another shape',
      { change: (values, dims) => ({ values, shape: [...dims].reverse() }) },
      /its output has the shape \[\d+, 4\]; wanted \[4, classes\]/,
    ],
    [
      'fewer numbers than the shape has',
      { change: (values, dims) => ({ values: values.slice(1), shape: dims }) },
      /an output of \d+ numbers for the shape/,
    ],
    ['no JSON', { answer: (response) => (response.end('<html>'), true) }, /an answer that is no JSON/],
    [
      'another protocol',
      { answer: (response) => (response.end('{}'), true) },
      /an answer that is none of the protocol/,
    ],
    [
      'a bad request',
      { answer: (response) => (response.writeHead(400).end('wrong shape'), true) },
      /it answers 400 \(wrong shape\)/,
    ],
  ])('is refused for %s in a run', async (_case, behaviour, message) => {
    const teacher = await opened();
    Object.assign(server.behaviour, behaviour);
    await expect(teacher.forward(given)).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(message),
    });
  });

  it('never follows a server elsewhere', async () => {
    server.behaviour.answer = (response) => (response.writeHead(307, { location: server.url }).end(), true);
    await expect((await opened()).forward(given)).rejects.toMatchObject({ exitCode: 69 });
  });

  it('hands on what is no number as such', async () => {
    const teacher = await opened();
    server.behaviour.change = (values, dims) => ({ values: values.fill(NaN, 0, 1), shape: dims });
    expect((await teacher.forward(given)).output[0]).toBeNaN();
  });

  it('is asked by no more requests at a time than it takes', async () => {
    const teacher = await opened({ concurrency: 2 });
    const many = await Promise.all(Array.from({ length: 7 }, () => teacher.forward(given)));
    for (const { output } of many) expect(output).toEqual(await expected());
    expect(server.mostAtOnce).toBeLessThanOrEqual(2);
  });

  it('gets a token that the environment names its host with, and no other', async () => {
    const asked = async (tokens: string): Promise<unknown> => {
      const found = new ModelServer('far', servedBy(), { env: { STILLHOUSE_TEACHER_TOKENS: tokens } });
      await found
        .post('/v2/models/tiny/infer', { bytes: new TextEncoder().encode('{}'), jsonLength: null })
        .catch(() => null);
      return server.asked.at(-1)?.authorization;
    };
    server.behaviour.answer = (response) => (response.end('{}'), true);
    expect(await asked(`127.0.0.1:1=other, 127.0.0.1:${server.port}=a=b`)).toBe('Bearer a=b');
    expect(await asked('127.0.0.1=other,other:8000=third')).toBeUndefined();
  });

  it('gets no token that no header carries, and no message shows it', async () => {
    const tokens = `127.0.0.1:${server.port}=secret\nother:1=more`;
    const found = new ModelServer('far', servedBy(), { env: { STILLHOUSE_TEACHER_TOKENS: tokens } });
    const refusal = found.get('/v2');
    await expect(refusal).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining('HOST=TOKEN,') });
    await expect(refusal).rejects.not.toThrow('secret');
  });

  it('is refused without a token in words that hold none', async () => {
    server.behaviour.answer = (response) => (response.writeHead(401).end('who are you?'), true);
    const found = new ModelServer('far', servedBy(), {
      env: { STILLHOUSE_TEACHER_TOKENS: `127.0.0.1:${server.port}=secret` },
    });
    const refusal = found.post('/v2/models/tiny/infer', { bytes: new Uint8Array(), jsonLength: null });
    await expect(refusal).rejects.toMatchObject({
      exitCode: 77,
      message: expect.stringMatching(/it answers 401; a token for 127.0.0.1:\d+ in STILLHOUSE_TEACHER_TOKENS wanted$/),
    });
    await expect(refusal).rejects.not.toThrow('secret');
  });

  it('sends samples over TLS, unless they stay on the machine or the recipe says otherwise', () => {
    const far = { url: 'http://gpu-host:8000/v2/models/tiny' };
    expect(() => new ModelServer('far', servedBy(far))).toThrow('https:// wanted, or request.plainHttp: true');
    expect(new ModelServer('far', servedBy({ ...far, plainHttp: true })).address.isPrivate).toBe(false);
    const told = new ModelServer('far', servedBy({ ...far, plainHttp: true }), {
      env: { STILLHOUSE_TEACHER_TOKENS: 'gpu-host:8000=secret' },
    });
    return expect(told.get('/v2')).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('https:// wanted for it'),
    });
  });

  it('of several versions wants one, and has no taps', async () => {
    const teacher = await opened();
    await expect(teacher.forward(given, ['relu'])).rejects.toMatchObject({ exitCode: 2 });
    server.behaviour.versions = ['1', '2'];
    await expect(opened()).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining('.../versions/2') });
  });

  it('answers what it answered in a former preparation while its server is away, and nothing else', async () => {
    const answers = join(temporaryFolder(), 'answers');
    const live = await (await opened({}, { answers })).forward(given);
    expect(live.output.length).toBe(rows * classes);
    const elsewhere = await opened({ url: `http://127.0.0.1:${closed}/v2/models/tiny` }, { answers });
    const later = await opened({}, { answers });
    server.behaviour.answer = (response) => (response.writeHead(503).end(), true);
    expect((await later.forward(given)).output).toEqual(live.output);
    const others = given.map((input) => ({ ...input, values: input.values.map((value) => value + 1) }));
    await expect(later.forward(others)).rejects.toMatchObject({ exitCode: 69 });
    // Another server may have other weights under the same names.
    await expect(elsewhere.forward(given)).rejects.toMatchObject({ exitCode: 69 });
  });
});
