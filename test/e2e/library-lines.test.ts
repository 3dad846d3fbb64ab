/** What ONNX Runtime would print of its own about a model stays away from the terminal, in a run and in every worker of it. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Program } from '../../bench/programs.js';
import { floats } from '../../worker/compute/onnx/graph.js';
import { ownOperatorSets, writeOnnx } from '../../worker/compute/onnx/write.js';
import { barsRecipe, writeBars } from './bars.js';
import { scratchFolder } from './processes.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
afterAll(() => scratch.remove());

const model = at('odd.onnx');

/** A linear teacher that ONNX Runtime warns of twice: its output says another shape, and nothing uses one of its weights. */
beforeAll(() => {
  writeBars(scratch.path);
  const weights = Float32Array.from({ length: 64 * 4 }, (_, i) => Math.sin(i));
  const file = writeOnnx({
    operatorSets: ownOperatorSets,
    graph: {
      inputs: [{ name: 'x', type: 'float32', shape: ['n', 8, 8, 1] }],
      outputs: [{ name: 'y', type: 'float32', shape: ['n', 5] }],
      constants: [floats('w', [64, 4], weights), floats('unused', [3], new Float32Array(3))],
      nodes: [
        { op: 'Flatten', inputs: ['x'], outputs: ['flat'], attributes: {} },
        { op: 'MatMul', inputs: ['flat', 'w'], outputs: ['y'], attributes: {} },
      ],
    },
  });
  writeFileSync(model, file);
  const text = barsRecipe({ student: '{ builtin: cnn-small, filters: 4 }', teacher: 'odd.onnx' });
  writeFileSync(
    at('recipe.yaml'),
    text.replace('backend: wasm', 'backend: auto').replace('losses:', 'ensemble: { allowChance: true }\nlosses:'),
  );
});

describe('a model that ONNX Runtime warns of', () => {
  it('is one, as the library is by itself', () => {
    const open = `require('onnxruntime-node').InferenceSession.create(${JSON.stringify(model)})`;
    const printed = execFileSync('sh', ['-c', '"$0" -e "$1" 2>&1', process.execPath, open], { encoding: 'utf8' });
    expect(printed).toMatch(/\[W:onnxruntime:.*MergeShapeInfo/);
    expect(printed).toMatch(/\[W:onnxruntime:.*Removing initializer 'unused'/);
  });

  it('is run without a line of the library', async () => {
    const args = ['run', at('recipe.yaml'), '--workers', '1', '--out', at('out')];
    const { code, stdout, stderr } = await new Program(args, { STILLHOUSE_CACHE: at('cache') }).ended;
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('teachers, accuracy on');
    expect(`${stdout}${stderr}`).not.toMatch(/onnxruntime:,|\[W:|MergeShapeInfo/);
  });
});
