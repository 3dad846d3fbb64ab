/**
 * Processor milliseconds of a student's micro-batch (forward, losses, backward) on one thread, medians of rounds in
 * which all take turns: compiled as one graph, compiled in two parts, on wasm, and PyTorch's eager step (bench/step.py)
 * where a Python with PyTorch is named. Processor time counts, so that a busy machine disturbs less.
 *
 *   node dist/bench/compiled-step.js [PYTHON] [--students mnist,resnet20] [--rows 16,64] [--rounds 9] [--ways
 * one,two,wasm]
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { must } from '../shared/must.js';
import { randomStream } from '../shared/random.js';
import { lossSchema } from '../shared/recipe/loss-schema.js';
import { lossesAt } from '../shared/recipe/schedules.js';
import { recipeSchema } from '../shared/recipe/schema.js';
import { planReplica } from '../shared/replica/plan.js';
import { Replica } from '../shared/replica/replica.js';
import { openWasm } from '../worker/compute/backends/wasm/wasm.js';
import type { MicroBatch, StepContext } from '../worker/compute/contract.js';
import { SoftLabels } from '../worker/compute/labels/soft-labels.js';
import { builtinStudent, type BuiltinStudent } from '../worker/compute/student/builtin-students.js';
import { graphEngine } from '../worker/compute/student/graph/engine.js';
import { tfjsEngine } from '../worker/compute/student/tfjs/engine.js';
import { median } from './programs.js';
import { withPython } from './with-python.js';

const { values, python } = withPython({
  students: { type: 'string', default: 'mnist,resnet20' },
  rows: { type: 'string', default: '16,64' },
  rounds: { type: 'string', default: '9' },
  ways: { type: 'string', default: 'one,two,wasm' },
});
const classes = 10;

interface Student {
  readonly options: BuiltinStudent;
  readonly shape: readonly number[];
  /** Micro-batches of 16 in a turn. */
  readonly times: number;
}

const students: ReadonlyMap<string, Student> = new Map([
  ['mnist', { options: { builtin: 'cnn-small', filters: 8 }, shape: [28, 28, 1], times: 96 }],
  ['resnet20', { options: { builtin: 'resnet', depth: 20, filters: 16 }, shape: [32, 32, 3], times: 4 }],
]);

const losses = lossSchema.parse({ crossEntropy: { weight: 0.3 }, response: { weight: 0.7, temperature: 4 } });
/** The step names a term that the student was not built for, which no graph has: so it is computed in two parts. */
const others = lossSchema.parse({ ...losses, logitMse: { weight: 0 } });
const stepOf = (of: typeof losses): StepContext => ({
  losses: lossesAt(of),
  divisors: { crossEntropy: 128, response: 128, logitMse: 128 },
  dropoutKey: [7, 'dropout', 0, 0, 0],
});

/** Computes so many micro-batches. @returns processor milliseconds of one */
type Turn = (times: number) => Promise<number>;

async function turnOf(way: string, { options, shape }: Student, rows: number): Promise<Turn> {
  const { spec, weights } = builtinStudent(options, shape, classes, 7);
  const optimizer = recipeSchema.shape.optimizer.parse({ name: 'sgd', learningRate: 0.1 });
  const replica = new Replica(planReplica(spec, optimizer), { slots: 1 });
  replica.loadWeights(weights);
  const engine = way === 'wasm' ? tfjsEngine : graphEngine;
  const student = await engine.build({ spec, plan: replica.plan, losses, plugins: new Map() }, await openWasm());
  const batch = batchOf(rows, shape);
  const step = stepOf(way === 'two' ? others : losses);
  return async (times) => {
    student.load(replica.weights, replica.frozen, replica.moving);
    const before = process.cpuUsage();
    for (let i = 0; i < times; i++) await student.gradients(batch, step, replica.slot(0));
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000 / times;
  };
}

function batchOf(rows: number, shape: readonly number[]): MicroBatch {
  const stream = randomStream(['bench']);
  const drawn = (count: number): Float32Array => Float32Array.from({ length: count }, () => 2 * stream.float() - 1);
  const logits = drawn(rows * classes);
  const mixing = {
    combine: 'logits',
    classes,
    teachers: [{ name: 't', weight: 1, temperature: null }],
  } as const;
  const soft = new SoftLabels(new Map([['teacher:t', logits]]), mixing);
  const labels = Int32Array.from({ length: rows }, (_, row) => row % classes);
  const inputs = drawn(shape.reduce((product, dim) => product * dim, rows));
  return { rows, inputs, targets: { labels, soft } };
}

/** PyTorch in a process of its own, which waits for its turns. */
function pytorch(path: string): (name: string, rows: number) => Turn {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const child = spawn(path, [join(root, 'bench', 'step.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return (name, rows) => async (times) => {
    child.stdin.write(`${name} ${rows} ${times}\n`);
    const answer = await lines.next();
    if (answer.done === true) throw new Error(`${path} bench/step.py ended`);
    return Number(answer.value);
  };
}

const theirs = python === undefined ? null : pytorch(python);
for (const name of values.students.split(','))
  for (const rows of values.rows.split(',').map(Number)) {
    const student = must(students, name, 'student');
    const turns = new Map<string, Turn>();
    for (const way of values.ways.split(',')) turns.set(way, await turnOf(way, student, rows));
    if (theirs !== null) turns.set('PyTorch', theirs(name, rows));
    const found = new Map<string, number[]>([...turns.keys()].map((way) => [way, []]));
    const times = Math.max(1, Math.round((student.times * 16) / rows));
    for (let round = 0; round <= Number(values.rounds); round++)
      for (const [way, turn] of turns) {
        const ms = await turn(times);
        // The first round compiles and warms up.
        if (round > 0) must(found, way).push(ms);
      }
    const medians = [...found].map(
      ([way, all]) => `${way} ${median(all).toFixed(2)} (least ${Math.min(...all).toFixed(2)})`,
    );
    process.stdout.write(`${name}, ${rows} rows: ${medians.join(', ')} ms\n`);
  }
process.exit(0);
