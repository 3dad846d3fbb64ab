/**
 * An encoder of texts as PyTorch exports it, trained on tokens and a mask: the same bits with one worker as with two, and
 * a graph that onnxruntime runs with the inputs that it came with.
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Program, type Ended } from '../../bench/programs.js';
import { digestOf, scratchFolder } from './processes.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
afterAll(() => scratch.remove());

const positions = 6;
/** Texts of 2 to 6 tokens; the class is how many of them are above 8, up to 2. */
const rows = Array.from({ length: 120 }, (_, row) => {
  const length = 2 + (row % 5);
  const ids = Array.from({ length: positions }, (_, i) => (i < length ? 1 + ((row * 7 + i * i * 5) % 11) : 0));
  return { ids, mask: ids.map((id) => Math.min(id, 1)), label: Math.min(2, ids.filter((id) => id > 8).length) };
});

function stillhouse(...args: string[]): Promise<Ended> {
  return new Program(args, { STILLHOUSE_CACHE: at('cache') }).ended;
}

beforeAll(async () => {
  for (const name of ['bert.onnx', 'bert-dynamo.onnx'])
    copyFileSync(fileURLToPath(new URL(`../reference/data/encoders/${name}`, import.meta.url)), at(name));
  writeFileSync(at('texts.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const inputs = '{ input_ids: ids, attention_mask: mask, token_type_ids: 0 }';
  const source = '{ format: jsonl, inputs: texts.jsonl, column: [ids, mask], labels: label }';
  writeFileSync(
    at('recipe.yaml'),
    [
      'seed: 3',
      `student: { model: bert.onnx, inputs: ${inputs} }`,
      `teachers: [{ name: bert, model: bert-dynamo.onnx, inputs: ${inputs} }]`,
      'ensemble: { allowChance: true }',
      `data: { train: ${source}, eval: ${source} }`,
      'batch: { size: 24, micro: 6 }',
      'losses: { crossEntropy: { weight: 0.9 }, response: { weight: 0.1, temperature: 2 } }',
      'optimizer: { name: adam, learningRate: 0.01 }',
      'epochs: 4',
    ].join('\n'),
  );
  for (const workers of ['1', '2']) {
    const { code, stderr } = await stillhouse(
      'run',
      at('recipe.yaml'),
      '--workers',
      workers,
      '--out',
      at(`out-${workers}`),
    );
    expect(code, stderr).toBe(0);
  }
});

describe('an encoder of texts as a student', () => {
  it('comes to the same bits with one worker as with two, and learns', () => {
    expect(digestOf(at('out-1'))).toBe(digestOf(at('out-2')));
    const { student } = JSON.parse(readFileSync(at('out-1/summary.json'), 'utf8')) as { student: { accuracy: number } };
    expect(student.accuracy).toBeGreaterThan(0.6);
  });

  it('is a graph with the inputs that it came with, and answers as the run says', async () => {
    const session = await InferenceSession.create(at('out-1/student/student.onnx'));
    expect(session.inputNames).toEqual(['input_ids', 'attention_mask', 'token_type_ids']);
    const tensor = (values: readonly number[]): Tensor =>
      new Tensor('int64', BigInt64Array.from(values, BigInt), [rows.length, positions]);
    const { logits } = await session.run({
      input_ids: tensor(rows.flatMap(({ ids }) => ids)),
      attention_mask: tensor(rows.flatMap(({ mask }) => mask)),
      token_type_ids: tensor(rows.flatMap(() => Array.from({ length: positions }, () => 0))),
    });
    await session.release();
    const values = [...(logits?.data as Float32Array)];
    const right = rows.filter(({ label }, row) => {
      const own = values.slice(3 * row, 3 * row + 3);
      return own.indexOf(Math.max(...own)) === label;
    });
    const { student } = JSON.parse(readFileSync(at('out-1/summary.json'), 'utf8')) as { student: { accuracy: number } };
    expect(right.length / rows.length).toBeCloseTo(student.accuracy, 6);
  });

  it('is evaluated wherever it lies, since it says what its inputs are given', async () => {
    const { code, stdout, stderr } = await stillhouse(
      'export',
      at('out-1'),
      '--format',
      'onnx',
      '--out',
      at('exported'),
    );
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('student.onnx');
    expect(readFileSync(at('exported/MODEL_CARD.md'), 'utf8')).toContain(
      'input attention_mask: int64 of [batch, 6], the column mask',
    );
    const evaluated = await stillhouse('eval', at('exported/student.onnx'), '--data', at('recipe.yaml'), '--json');
    expect(evaluated.code, evaluated.stderr).toBe(0);
    const { student } = JSON.parse(readFileSync(at('out-1/summary.json'), 'utf8')) as { student: { accuracy: number } };
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ accuracy: student.accuracy });
  });
});
