/** Runs whose student is compiled and whose tfjs teachers are turned into ONNX, through the built program. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Program, type Ended } from '../../bench/programs.js';
import { openTensorFlow, saveLayersModel } from '../worker/compute/teachers/fixtures.js';
import { barsRecipe, samples, writeBars } from './bars.js';
import { curveOf, digestOf, scratchFolder } from './processes.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
afterAll(() => scratch.remove());

function stillhouse(cache: string, ...args: string[]): Promise<Ended> {
  return new Program(args, { STILLHOUSE_CACHE: at(cache) }).ended;
}

async function saveTeacher(name: string, ...inner: tf.layers.Layer[]): Promise<void> {
  mkdirSync(at(name));
  const l = tf.layers;
  await saveLayersModel(
    tf.sequential({ layers: [...inner, l.flatten(), l.dense({ units: 4, name: 'answer' })] }),
    at(name),
  );
}

function writeRecipe(name: string, teacher: string): void {
  const text = barsRecipe({ student: '{ builtin: cnn-small, filters: 4, batchNorm: true }', teacher });
  writeFileSync(
    at(name),
    text.replace('backend: wasm', 'backend: onnx').replace('losses:', 'ensemble: { allowChance: true }\nlosses:'),
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
});

const line =
  'teacher t: layer cube (Conv3D): layers of this type cannot be written as ONNX; it runs as a tfjs LayersModel on wasm, not in ONNX Runtime';

describe('a run with a LayersModel teacher in ONNX', () => {
  it('has the same bits for one worker and for two', async () => {
    const run = async (workers: number): Promise<string> => {
      const out = at(`run${workers}`);
      const args = ['run', at('recipe.yaml'), '--workers', String(workers), '--out', out];
      const { code, stderr } = await stillhouse(`cache${workers}`, ...args);
      expect(code, stderr).toBe(0);
      expect(stderr).not.toContain('not in ONNX Runtime');
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
    const args = ['run', at('odd.yaml'), '--set', 'epochs=1', '--workers', '1', '--out', at('odd-run')];
    const { code, stderr } = await stillhouse('cache1', ...args);
    expect(code, stderr).toBe(0);
    expect(stderr.indexOf(line)).toBeGreaterThan(-1);
    expect(stderr.indexOf(line)).toBeLessThan(stderr.indexOf('distilling'));
  });
});
