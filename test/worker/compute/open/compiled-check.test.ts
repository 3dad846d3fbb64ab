/** What a compiled student says when TensorFlow.js computes other gradients. */
import { describe, expect, it } from 'vitest';
import { openWasm } from '../../../../worker/compute/backends/wasm/wasm.js';
import { CheckedStudent, firstDifference } from '../../../../worker/compute/open/compiled-check.js';
import type { Student } from '../../../../worker/compute/student/engine.js';
import { graphEngine } from '../../../../worker/compute/student/graph/engine.js';
import type { BuiltinStudent } from '../../../../worker/compute/student/builtin-students.js';
import { gradientOf, makeBuiltin, step, type Made } from '../student/students.js';

/** @param firsts of each micro-batch that is computed, whether it is an epoch's first one */
async function checked(
  options: BuiltinStudent,
  change: (made: Made) => Student,
  firsts: readonly boolean[] = [true, true],
): Promise<string[]> {
  const made = await makeBuiltin(options, [6, 6, 2], graphEngine);
  const lines: string[] = [];
  const { spec, replica } = made;
  const student = new CheckedStudent(change(made), {
    definition: { spec, plan: replica.plan, losses: {}, plugins: new Map() },
    backend: await openWasm(),
    warn: (line) => lines.push(line),
  });
  // What counts are the weights that were loaded last.
  student.load(new Float32Array(replica.weights.length), replica.frozen, replica.moving);
  student.load(replica.weights, replica.frozen, replica.moving);
  for (const isProbed of firsts) await gradientOf({ ...made, student }, { step: { ...step, isProbed } });
  await student.dispose();
  return lines;
}

/** The same student, but for one weight whose gradient comes out too large. */
function spoilt({ student, replica }: Made, name: string): Student {
  const place = replica.plan.trained.find(({ spec }) => spec.name === name);
  if (place === undefined) throw new Error(`no weight ${name}`);
  return {
    classes: student.classes,
    load: (...regions) => student.load(...regions),
    outputs: (inputs, rows) => student.outputs(inputs, rows),
    tensors: () => student.tensors(),
    dispose: () => student.dispose(),
    gradients: async (batch, step, out) => {
      const result = await student.gradients(batch, step, out);
      for (let i = place.offset; i < place.offset + place.size; i++) out[i] = 1.2 * (out[i] ?? 0);
      return result;
    },
  };
}

describe('a compiled student that checks itself', () => {
  const options: BuiltinStudent = { builtin: 'cnn-small', filters: 2, batchNorm: true };

  it('says nothing where both engines agree', async () => {
    expect(await checked(options, ({ student }) => student)).toEqual([]);
  });

  it('names the first weight whose gradient differs, once', async () => {
    const lines = await checked(options, (made) => spoilt(made, 'conv2/kernel'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^warning: the compiled student differs .* the gradient of conv2\/kernel by 2\.0e-1 of/);
  });

  it('leaves the check to the worker that begins with the first micro-batch', async () => {
    expect(await checked(options, (made) => spoilt(made, 'conv2/kernel'), [false, true])).toEqual([]);
  });

  it('says so where TensorFlow.js cannot hold the student', async () => {
    const made = await makeBuiltin(options, [6, 6, 2], graphEngine);
    const lines: string[] = [];
    const large = { ...made.replica.plan, gradientFloats: 2 ** 25 };
    const student = new CheckedStudent(spoilt(made, 'conv2/kernel'), {
      definition: { spec: made.spec, plan: large, losses: {}, plugins: new Map() },
      backend: await openWasm(),
      warn: (line) => lines.push(line),
    });
    student.load(made.replica.weights, made.replica.frozen, made.replica.moving);
    await gradientOf({ ...made, student }, { step: { ...step, isProbed: true } });
    expect(lines).toEqual([
      expect.stringMatching(/^note: .* not held against TensorFlow\.js, which cannot hold its \d+/),
    ]);
    await student.dispose();
  });

  it('leaves out students with dropout, whose masks each engine draws otherwise', async () => {
    expect(await checked({ ...options, dropout: 0.5 }, (made) => spoilt(made, 'conv2/kernel'))).toEqual([]);
  });

  it('sees a gradient that is no number', async () => {
    const { replica } = await makeBuiltin(options);
    const { trained, gradientFloats } = replica.plan;
    const expected = new Float32Array(gradientFloats).fill(1);
    const compiled = expected.slice();
    expect(firstDifference(trained, { expected, compiled, limit: 1e-4 })).toBeNull();
    compiled[trained[1]?.offset ?? 0] = NaN;
    expect(firstDifference(trained, { expected, compiled, limit: 1e-4 })?.name).toBe(trained[1]?.spec.name);
  });
});
