/** What an ONNX model may reach: its own files, and operators that compute. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createCpuSession, createSession } from '../../../../worker/compute/backends/onnxruntime/sessions.js';
import { foreignReach, onnxReach } from '../../../../worker/compute/onnx/reach.js';
import { openOnnxSession } from '../../../../worker/compute/teachers/formats/onnx-session.js';
import { temporaryFolder } from '../../fakes.js';
import { message, placesOf, reachingModel, tensorIn } from './hostile-models.js';

const own = new Set(['own.bin']);

describe('a tensor that lies in a file', () => {
  it.each(Object.entries(placesOf(tensorIn('secret.key', 4))))('is found in %s', (_place, model) => {
    expect(onnxReach(model).locations).toEqual(['secret.key']);
    expect(foreignReach(model, own)).toBe('it keeps weights in secret.key; files of its own folder alone were wanted');
    expect(foreignReach(model, new Set(['secret.key']))).toBeNull();
  });

  it.each(['../own.bin', '/etc/passwd', 'a/../../own.bin', 'a\\own.bin', 'c:own.bin', '', 'a/', '*/_ORT_MEM_ADDR_/*'])(
    'is refused in %j, though the coordinator gives a file of that name',
    (name) => {
      const model = reachingModel(name, 4);
      expect(foreignReach(model, new Set([name]))).toMatch(/^it keeps weights in .*; files of its own folder/);
    },
  );

  it('is found where a reader that joins texts, or takes the first of them, finds none', () => {
    const entry = message([1, 'x'], [1, 'location'], [2, 'y'], [2, 'secret.key']);
    const tensor = message([1, 4], [2, 1], [8, 'W'], [13, entry], [14, 1]);
    expect(onnxReach(message([7, message([5, tensor])])).locations).toEqual(['secret.key']);
    const twice = message(
      [1, 4],
      [13, message([1, 'location'], [2, 'own.bin'])],
      [13, message([1, 'location'], [2, 'b'])],
    );
    expect(foreignReach(message([7, message([5, twice])]), own)).toContain('weights in b;');
  });

  it('is opened by no session of bytes, on any provider, and by none of files that are not its own', async () => {
    const model = reachingModel('secret.key', 4);
    const wanted = 'it keeps weights in secret.key';
    await expect(createSession(model, 'teacher t')).rejects.toThrow(wanted);
    await expect(createCpuSession(model, {})).rejects.toThrow(wanted);
    const path = join(temporaryFolder(), 'a');
    writeFileSync(path, new Float32Array(4));
    await expect(
      openOnnxSession(() => Promise.reject(new Error('opened')), model, [['other.bin', path]]),
    ).rejects.toThrow(wanted);
  });
});

describe("the files beside a model's", () => {
  it('are never written to, whatever they are called', async () => {
    const folder = temporaryFolder();
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    writeFileSync(one, Float32Array.of(1, 2, 3, 4));
    writeFileSync(two, Float32Array.of(5, 6, 7, 8));
    mkdirSync(join(folder, 'w'));
    const open = (path: Uint8Array | string) => createSession(path, 'teacher t');
    const session = await openOnnxSession(open, reachingModel('model.onnx', 4), [['model.onnx', one]]);
    await session.release();
    expect(readFileSync(one)).toHaveLength(16);
    await expect(
      openOnnxSession(open, reachingModel('a', 4), [
        ['a', one],
        ['./a', two],
      ]),
    ).rejects.toThrow('EEXIST');
    expect([...new Float32Array(new Uint8Array(readFileSync(one)).buffer)]).toEqual([1, 2, 3, 4]);
  });
});

describe('an operator', () => {
  const nodeOf = (op: string, domain: string): Uint8Array =>
    message([7, message([1, message([3, 'n1'], [4, op], [7, domain])])]);

  it.each([
    ['PyCustom', 'ai.onnx.contrib'],
    ['EPContext', 'com.microsoft'],
    ['Evil', 'my.own'],
  ])('%s of %s is refused by its name and its node', (op, domain) => {
    expect(foreignReach(nodeOf(op, domain), own)).toBe(
      `node "n1": operator ${op} of ${domain}, which may do more than compute; ONNX's own operators were wanted`,
    );
  });

  it.each([
    ['Add', ''],
    ['Add', 'ai.onnx'],
    ['TreeEnsembleClassifier', 'ai.onnx.ml'],
    ['FusedMatMul', 'com.microsoft'],
  ])('%s of "%s" computes', (op, domain) => {
    expect(foreignReach(nodeOf(op, domain), own)).toBeNull();
  });

  it("of a function in the model's own file computes, and what is in the function is looked at", () => {
    const functionOf = (op: string, domain: string): Uint8Array =>
      message([1, 'mine'], [7, message([4, op], [7, domain])], [10, 'my.own']);
    const graph = message([1, message([4, 'mine'], [7, 'my.own'])]);
    expect(foreignReach(message([7, graph], [25, functionOf('Add', '')]), own)).toBeNull();
    expect(foreignReach(message([7, graph], [25, functionOf('PyOp', 'else')]), own)).toContain('operator PyOp of else');
  });
});

describe('bytes', () => {
  it('that ONNX Runtime would take for its own format are refused', () => {
    expect(() => onnxReach(Buffer.from('\x08\x08\x12\x04ORTM'))).toThrow(RangeError);
  });

  it('of graphs without end within each other are refused', () => {
    let graph = message([2, 'g']);
    for (let i = 0; i < 200; i++) graph = message([1, message([5, message([6, graph])])]);
    expect(() => onnxReach(message([7, graph]))).toThrow('nested too deep');
  });
});
