/** What a SavedModel would run, read from its file: a real one, and the same with operations put in. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { mapFields } from '../../../../../worker/compute/onnx/patch.js';
import { foreignOperation } from '../../../../../worker/compute/teachers/formats/saved-model-graph.js';
import { expectTrust } from '../../../../../worker/compute/teachers/formats/trust.js';
import { message } from '../../onnx/hostile-models.js';

const file = readFileSync(
  fileURLToPath(new URL('../../../../reference/data/saved-model/tiny/saved_model.pb', import.meta.url)),
);
const outputs = ['StatefulPartitionedCall:0'];

type Part = readonly [number: number, value: number | string | Uint8Array];

/** The model with more fields in its one graph with its meta data. */
const withMeta = (...parts: readonly Part[]): Uint8Array =>
  mapFields(file, 2, (meta) => Buffer.concat([meta, message(...parts)]));
const withGraph = (...parts: readonly Part[]): Uint8Array => withMeta([2, message(...parts)]);

const node = (
  name: string,
  op: string,
  inputs: readonly string[] = [],
  ...attributes: readonly Uint8Array[]
): Uint8Array =>
  message([1, name], [2, op], ...inputs.map((one): Part => [3, one]), ...attributes.map((one): Part => [5, one]));
const calls = (name: string): Uint8Array => message([1, 'f'], [2, message([10, message([1, name])])]);
const callsOneOf = (name: string): Uint8Array =>
  message([1, 'branches'], [2, message([1, message([9, message([1, name])])])]);

/** A library of one function with that node in it. */
const library = (name: string, inner: Uint8Array, ...more: readonly Part[]): Uint8Array =>
  message([1, message([1, message([1, name])], [3, inner], ...more)]);

describe("a SavedModel's graph", () => {
  it('of a converter computes: that it could be saved, and is restored, is no harm', () => {
    for (const op of ['SaveV2', 'MergeV2Checkpoints', 'RestoreV2', 'ShardedFilename'])
      expect(file.includes(op), op).toBe(true);
    expect(foreignOperation(file, outputs)).toBeNull();
  });

  it.each([
    'WriteFile',
    'ReadFile',
    'SaveV2',
    'MergeV2Checkpoints',
    'PrintV2',
    'DebugIdentity',
    'PyFunc',
    'EagerPyFunc',
    'InitializeTableFromTextFileV2',
    'MatchingFiles',
    'WholeFileReaderV2',
    'TFRecordDataset',
    'SummaryWriter',
    'Copy',
    'XlaLaunch',
    'AnOperationOfTomorrow',
  ])('with %s on the way to its output is refused by node and operation', (op) => {
    const model = withGraph(
      [1, node('bad', op)],
      [1, node('out', 'Identity', ['mid:0'])],
      [1, node('mid', 'Relu', ['^bad'])],
    );
    expect(foreignOperation(model, outputs), 'nothing leads to it').toBeNull();
    expect(foreignOperation(model, [...outputs, 'out:0'])).toEqual({ op, place: 'bad' });
  });

  it.each([
    ['a call', node('out', 'PartitionedCall', [], calls('hidden'))],
    ['a loop', node('out', 'While', [], calls('hidden'))],
    ['one of several branches', node('out', 'Case', [], callsOneOf('hidden'))],
    ['its own name', node('out', 'hidden')],
  ])('is looked through where a function is run by %s, and by a function that it calls', (_way, caller) => {
    const bad = node('w', 'WriteFile');
    const model = withGraph([1, caller], [2, library('hidden', bad)]);
    expect(foreignOperation(model, ['out:0'])).toEqual({ op: 'WriteFile', place: 'w of function hidden' });
    const deeper = withGraph(
      [1, caller],
      [2, library('hidden', node('c', 'If', [], calls('deeper')))],
      [2, library('deeper', bad)],
    );
    expect(foreignOperation(deeper, ['out:0'])).toEqual({ op: 'WriteFile', place: 'w of function deeper' });
  });

  it('is looked through in functions that TensorFlow may put in place of others', () => {
    const attribute = message([1, 'api_implements'], [2, message([2, 'lstm'])]);
    expect(foreignOperation(withGraph([2, library('idle', node('w', 'WriteFile'))]), outputs)).toBeNull();
    const model = withGraph([2, library('other', node('w', 'WriteFile'), [5, attribute])]);
    expect(foreignOperation(model, outputs)).toEqual({ op: 'WriteFile', place: 'w of function other' });
  });

  it('is looked through in what runs when it is loaded', () => {
    const bad = [1, node('w', 'WriteFile')] as const;
    const graph = [2, message(bad)] as const;
    const inCollection = withMeta(graph, [
      4,
      message([1, 'saved_model_main_op'], [2, message([1, message([1, 'w'])])]),
    ]);
    const info = message([1, '__saved_model_init_op'], [2, message([1, 'w'])]);
    const inSignature = withMeta(graph, [5, message([1, '__saved_model_init_op'], [2, message([2, info])])]);
    const atRestore = withMeta(graph, [3, message([3, 'w'])]);
    for (const model of [inCollection, inSignature, atRestore])
      expect(foreignOperation(model, outputs)).toEqual({ op: 'WriteFile', place: 'w' });
  });

  it('that restores anything but its own weights is refused', () => {
    const restore = (path: string): Part => [1, node('r', 'RestoreV2', [path, 'names', 'slices'])];
    const other = [1, node('other', 'Const')] as const;
    const from = (prefix: string): unknown =>
      foreignOperation(withMeta([2, message(restore(prefix), other)], [3, message([1, 'own:0'], [3, 'r'])]), outputs);
    expect(from('own')).toBeNull();
    expect(from('other')).toEqual({ op: 'RestoreV2', place: 'r' });
  });

  it('that hands another path to the function that restores is refused', () => {
    const argument = (name: string): Part => [2, message([1, name])];
    const restoring = message([
      1,
      message(
        [1, message([1, 'load'], argument('x'), argument('prefix'))],
        [3, node('r', 'RestoreV2', ['prefix', 'names:output:0', 'slices:output:0'])],
      ),
    ]);
    const from = (...inputs: string[]): unknown =>
      foreignOperation(
        withMeta(
          [
            2,
            message(
              [1, node('c', 'StatefulPartitionedCall', inputs, calls('load'))],
              [1, node('other', 'Const')],
              [2, restoring],
            ),
          ],
          [3, message([1, 'own:0'], [3, 'c'])],
        ),
        outputs,
      );
    expect(from('other', 'own')).toBeNull();
    expect(from('own', 'other')).toEqual({ op: 'RestoreV2', place: 'r of function load' });
  });

  it('is looked through in every piece of the file, and in each of several graphs', () => {
    const bad = message([2, message([1, node('out', 'WriteFile')])]);
    expect(foreignOperation(Buffer.concat([file, message([2, bad])]), ['out:0'])).toEqual({
      op: 'WriteFile',
      place: 'out',
    });
  });

  it('that is no protobuf message is a RangeError', () => {
    expect(() => foreignOperation(Buffer.from('\xff\xff\xff'), outputs)).toThrow(RangeError);
  });
});

describe('trust', () => {
  it("is refused in one line that says what is missing of the recipe's word and the owner's", () => {
    const say = (trust?: boolean): unknown => {
      try {
        expectTrust('t', trust, 'node w of its graph is a WriteFile');
        return null;
      } catch (error) {
        return error;
      }
    };
    const before =
      'teacher t: node w of its graph is a WriteFile, which may do more than compute, such as read and write files; a model without it was wanted, or ';
    expect(say()).toMatchObject({
      exitCode: 77,
      message: `${before}trust: true at the teacher's in the recipe and --trust-models on this machine`,
    });
    expect(say(true)).toMatchObject({ exitCode: 77, message: `${before}--trust-models on this machine` });
  });
});
