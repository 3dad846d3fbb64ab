/**
 * Runs as a recipe that names no backend has them, through the built program: the student is compiled and tfjs teachers
 * are turned into ONNX, where they have such a form, and what has none is said.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Program, type Ended } from '../../bench/programs.js';
import type { Summary } from '../../coordinator/reports/summary.js';
import { openTensorFlow, saveLayersModel } from '../worker/compute/teachers/fixtures.js';
import { barsRecipe, samples, writeBars } from './bars.js';
import { curveOf, digestOf, scratchFolder, startCoordinator, token, urlOf } from './processes.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
afterAll(() => scratch.remove());

function stillhouse(cache: string, ...args: string[]): Promise<Ended> {
  return new Program(args, { STILLHOUSE_CACHE: at(cache) }).ended;
}

function summaryOf(out: string): Summary {
  return JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as Summary;
}

async function saveTeacher(name: string, ...inner: tf.layers.Layer[]): Promise<void> {
  mkdirSync(at(name));
  const l = tf.layers;
  await saveLayersModel(
    tf.sequential({ layers: [...inner, l.flatten(), l.dense({ units: 4, name: 'answer' })] }),
    at(name),
  );
}

const normed = '{ builtin: cnn-small, filters: 4, batchNorm: true }';

function writeRecipe(name: string, teacher: string, student = normed): void {
  const text = barsRecipe({ student, teacher });
  writeFileSync(
    at(name),
    text.replace('backend: wasm', 'backend: auto').replace('losses:', 'ensemble: { allowChance: true }\nlosses:'),
  );
}

beforeAll(async () => {
  writeBars(scratch.path);
  await openTensorFlow();
  const l = tf.layers;
  await saveTeacher(
    'cnn',
    l.conv2d({ inputShape: [8, 8, 1], filters: 4, kernelSize: 3, padding: 'same', activation: 'relu', name: 'first' }),
    l.batchNormalization({ name: 'norm' }),
  );
  await saveTeacher(
    'odd',
    l.reshape({ inputShape: [8, 8, 1], targetShape: [2, 4, 8, 1] }),
    l.conv3d({ filters: 2, kernelSize: 2, name: 'cube' }),
  );
  writeRecipe('recipe.yaml', 'cnn/model.json');
  writeRecipe('odd.yaml', 'odd/model.json');
  const student = tf.sequential({
    layers: [
      l.reshape({ targetShape: [8, 8], inputShape: [8, 8, 1] }),
      l.lstm({ units: 4, name: 'memory' }),
      l.dense({ units: 4 }),
    ],
  });
  mkdirSync(at('lstm'));
  await saveLayersModel(student, at('lstm'));
  writeRecipe('lstm.yaml', 'cnn/model.json', '{ model: lstm/model.json }');
});

const line =
  'teacher t: layer cube (Conv3D): layers of this type cannot be written as ONNX; it runs as a tfjs LayersModel, not in ONNX Runtime';
const compiled = 'student: compiled, computed as ONNX graphs by onnxruntime\n';

describe('a run with a LayersModel teacher in ONNX', () => {
  it('has the same bits for one worker and for two', async () => {
    const run = async (workers: number): Promise<string> => {
      const out = at(`run${workers}`);
      const args = ['run', at('recipe.yaml'), '--workers', String(workers), '--out', out];
      const { code, stdout, stderr } = await stillhouse(`cache${workers}`, ...args);
      expect(code, stderr).toBe(0);
      expect(stderr).not.toContain('not in ONNX Runtime');
      expect(stderr.slice(0, stderr.indexOf('distilling'))).toContain(compiled);
      expect(stderr).not.toContain('differs');
      expect(stdout).toContain(compiled);
      expect(summaryOf(out).engines).toEqual({ student: 'onnx' });
      expect(summaryOf(out).workers.map(({ engine }) => engine)).toEqual(
        Array.from({ length: workers }, () => expect.stringMatching(/^onnxruntime 1\.\d+\.\d+ on \w+/)),
      );
      return out;
    };
    const [one, two] = [await run(1), await run(2)];
    expect(curveOf(two)).toEqual(curveOf(one));
    expect(digestOf(two)).toBe(digestOf(one));
    // The labels that the run kept are all that its recipe wants.
    const { stdout, stderr } = await stillhouse('cache1', 'label', at('recipe.yaml'));
    expect(stdout, stderr).toContain(`labels: ${samples} of ${samples}, 0 of them made now`);
  });

  it('is evaluated in the same form', async () => {
    const { code, stdout, stderr } = await stillhouse('cache1', 'eval', 't', '--data', at('recipe.yaml'), '--json');
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ accuracy: expect.any(Number) as number });
    expect(stderr).not.toContain('not in ONNX Runtime');
    const odd = await stillhouse('cache1', 'eval', 't', '--data', at('odd.yaml'));
    expect([odd.code, odd.stderr]).toEqual([0, expect.stringContaining(line)]);
  });
});

describe('a teacher without a form in ONNX', () => {
  it('is named by validate, and before step 1 of a run that goes on with it', async () => {
    const checked = await stillhouse('cache1', 'validate', at('odd.yaml'));
    expect([checked.code, checked.stderr]).toEqual([0, expect.stringContaining(`warning: ${line}`)]);
    expect(checked.stdout).toContain(compiled);
    const args = ['run', at('odd.yaml'), '--set', 'epochs=1', '--workers', '1', '--out', at('odd-run')];
    const { code, stdout, stderr } = await stillhouse('cache1', ...args);
    expect(code, stderr).toBe(0);
    expect(stderr.slice(0, stderr.indexOf('distilling'))).toContain(line);
    const why = 'layer cube (Conv3D): layers of this type cannot be written as ONNX';
    expect(stdout).toContain(`teacher t: not in ONNX Runtime: ${why}\n`);
    expect(summaryOf(at('odd-run')).engines).toEqual({ student: 'onnx', teachers: { t: why } });
  });
});

describe('a student that is not compiled', () => {
  const memory = 'student layer memory (LSTM): recurrent layers are not compiled';

  it.each([
    ['lstm.yaml', [], memory],
    ['recipe.yaml', ['--backend', 'wasm'], 'numerics.backend is wasm'],
  ])('is told of with the reason, before step 1 and in the summary: %s %j', async (recipe, flags, reason) => {
    const said = `student: not compiled, computed by TensorFlow.js: ${reason}\n`;
    const out = at(`eager-${recipe}`);
    const args = [at(recipe), '--set', 'epochs=1', ...flags, '--workers', '1', '--out', out];
    const { code, stdout, stderr } = await stillhouse('cache1', 'run', ...args);
    expect(code, stderr).toBe(0);
    expect(stderr.slice(0, stderr.indexOf('distilling'))).toContain(said);
    expect(stdout).toContain(said);
    expect(summaryOf(out).engines).toEqual({ student: 'tfjs', reason });
    expect(summaryOf(out).workers.map(({ backend, engine }) => [backend, engine])).toEqual([['wasm', undefined]]);
  });

  it('is told of by validate', async () => {
    const { stdout } = await stillhouse('cache1', 'validate', at('lstm.yaml'));
    expect(stdout).toContain(`student: not compiled, computed by TensorFlow.js: ${memory}\n`);
  });
});

describe('a worker that joins a run whose student is compiled', () => {
  it('says what a backend of its own is for, and is refused several threads', async () => {
    const place = { recipe: at('recipe.yaml'), out: at('joined'), caches: at('joined-caches') };
    const coordinator = startCoordinator(place);
    const url = await urlOf(coordinator);
    const refused = new Program(['worker', url, '--threads', '2'], {
      STILLHOUSE_CACHE: at('cache1'),
      STILLHOUSE_TOKEN: token,
    });
    expect(await refused.ended).toMatchObject({
      code: 77,
      stderr: expect.stringContaining(
        "stillhouse: this worker has --threads 2, and the run's student is compiled, for one thread of each worker: 1 and more workers were wanted\n",
      ) as string,
    });
    const worker = new Program(['worker', url, '--backend', 'wasm'], {
      STILLHOUSE_CACHE: at('cache1'),
      STILLHOUSE_TOKEN: token,
    });
    const [ended, whole] = [await worker.ended, await coordinator.ended];
    expect([ended.code, whole.code], ended.stderr).toEqual([0, 0]);
    expect(ended.stderr).toContain(
      "--backend wasm: the run's student is compiled, so onnxruntime computes it, and wasm only what has no form in ONNX\n",
    );
    expect(whole.stderr).toMatch(/ is ready: onnxruntime 1\.\S+ on .*, numerics exact, plane memory\n/);
  });
});
