import { describe, expect, it } from 'vitest';
import { SumRules, type SummedRun } from '../../../shared/figures/sum-rules.js';
import { figuresByTask } from '../../../shared/figures/tasks.js';
import { joined, samplesSum } from '../../../shared/figures/sum-names.js';
import { gradientNormSums, imitationSums, termSums, trainingHitSums } from '../../../shared/figures/training-sums.js';
import { tasks, type Task } from '../../../shared/task.js';

function runOf(task: Task): SummedRun {
  return {
    task,
    terms: ['crossEntropy', 'response'],
    teachers: [{ name: 'deep' }, { name: 'a.b', specialist: [1] }],
    exits: ['early'],
    width: 3,
    positions: task === 'sequence' ? 2 : 1,
  };
}

describe('counts of classes', () => {
  it('are of pairs that there are, and of no more samples than were leased', () => {
    const truth = { rows: 1, labels: Int32Array.of(1), vectors: new Float32Array(), width: 3, positions: 1, means: [] };
    const sums = figuresByTask.classes.studentSums(
      truth,
      Float32Array.of(1, 0, 0),
      new Map([['early', Float32Array.of(1, 0, 0)]]),
    );
    expect(rules.faultIn(sums, 'student', 1)).toBeNull();
    expect(rules.faultIn({ ...sums, 'confusion.1.3': 1 }, 'student', 1)).toMatch(/^a sum named "confusion.1.3"/);
    expect(rules.faultIn({ ...sums, 'confusion.1.0': -1 }, 'student', 1)).toMatch(/^-1 for the sum confusion.1.0/);
    expect(rules.faultIn({ ...sums, 'student.bin.3.samples': 99 }, 'student', 1)).toMatch(/^99 for the sum/);
    for (const name of ['confusion.1.0', 'student.bin.3.samples', 'student.bin.3.correct'])
      for (const value of [0.5, 2, -1])
        expect(rules.faultIn({ ...sums, [name]: value }, 'student', 1)).toBe(
          `${value} for the sum ${name} of 1 samples`,
        );
    expect(new SumRules(runOf('sequence')).faultIn({ 'confusion.1.0': 1 }, 'student', 1)).toMatch(/^a sum named/);
  });
});

const run = runOf('classes');
const rules = new SumRules(run);
const trained = joined(
  samplesSum(8),
  termSums('crossEntropy', 12.5, 8),
  trainingHitSums({ labelled: 8, correct: 5 }),
  imitationSums({ agree: 4, entropy: 3.5, samples: 8 }),
  gradientNormSums([['response', 0.5]]),
);

describe.each(tasks)('sums of %s', (task) => {
  const { width, positions, ...others } = runOf(task);
  const rows = 8;
  const random = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9) * 3);
  const truth = {
    rows,
    labels: Int32Array.from({ length: rows * positions }, (_, i) => (i % 4) - 1),
    vectors: random(rows * width).map((value) => Number(value > 0)),
    width,
    positions,
    means: [0.4, 0.5, 0.6],
  };
  const answers = random(rows * positions * width);

  it('of student and teachers, as the task adds them up, are what they can be', () => {
    const own = new SumRules({ ...others, width, positions });
    const student = figuresByTask[task].studentSums(truth, answers, new Map([['early', answers]]));
    const teachers = figuresByTask[task].teacherSums(truth, {
      teachers: new Map([
        ['deep', answers],
        ['a.b', answers.map((value) => -value)],
      ]),
      ensemble: answers,
      specialties: new Map([['a.b', [1]]]),
    });
    expect([own.faultIn(student, 'student', rows), own.faultIn(teachers, 'teachers', rows)]).toEqual([null, null]);
    const { 'teacher.deep.agree': _, ...partly } = teachers;
    if (task !== 'regression') expect(own.faultIn(partly, 'teachers', rows)).toBe('sums without "teacher.deep.agree"');
    const dropped = Object.fromEntries(Object.entries(teachers).filter(([name]) => !name.startsWith('teacher.deep.')));
    expect(own.faultIn(dropped, 'teachers', rows)).toBeNull();
    expect(own.faultIn({ samples: 8 }, 'student', rows)).toMatch(/^sums without/);
    expect(own.faultIn(student, 'teachers', rows)).toMatch(/^a sum named "student\./);
    expect(own.faultIn(teachers, 'student', rows)).toMatch(/^a sum named "(ensemble|teacher)\./);
  });
});

describe('the sums of a training step', () => {
  it('are what they can be, also of samples that no term applies to, and where a loss is not finite', () => {
    expect(rules.faultIn(trained, 'train', 8)).toBeNull();
    expect(rules.faultIn(samplesSum(8), 'train', 8)).toBeNull();
    expect(rules.faultIn({ ...trained, crossEntropy: Infinity, 'ensemble.entropy': NaN }, 'train', 8)).toBeNull();
    expect(rules.faultIn({ ...trained, crossEntropy: -3e80 }, 'train', 8)).toBeNull();
  });

  it.each<[string, Record<string, number>, string]>([
    ['another name', { other: 1 }, 'a sum named "other", which this run does not have'],
    ['a name of every object', JSON.parse('{"__proto__":1}') as Record<string, number>, 'a sum named "__proto__"'],
    ['a name of every object', JSON.parse('{"constructor":1}') as Record<string, number>, 'a sum named "constructor"'],
    ['a term of another recipe', termSums('dist', 1, 1), 'a sum named "dist"'],
    ['sums of an evaluation', { 'student.loss': 1 }, 'a sum named "student.loss"'],
    ['a value that overflows when added', { crossEntropy: 1.7e308 }, '1.7e+308 for the sum crossEntropy'],
    ['fewer than no samples', { samples: -5 }, '-5 for the sum samples of 8 samples'],
    ['more samples', { samples: 9 }, 'sums of 9 samples; 8 were leased'],
    ['more right answers than there can be', { correct: 1e9 }, '1000000000 for the sum correct of 8 samples'],
    ['fewer than no right answers', { correct: -1 }, '-1 for the sum correct'],
  ])('have no %s', (_name, more, fault) => {
    const sums = Object.fromEntries([...Object.entries(trained), ...Object.entries(more)]);
    if (Object.hasOwn(more, '__proto__')) Object.defineProperty(sums, '__proto__', { value: 1, enumerable: true });
    expect(rules.faultIn(sums, 'train', 8)).toContain(fault);
  });

  it.each([
    ['crossEntropy', 'crossEntropy.count'],
    ['correct', 'labelled'],
    ['ensemble.entropy', 'ensemble.agree'],
  ])('have %s with %s or not at all', (name, partner) => {
    const without = (...names: string[]) =>
      Object.fromEntries(Object.entries(trained).filter(([one]) => !names.includes(one)));
    expect(rules.faultIn(without(partner), 'train', 8)).toBe(`sums without "${partner}"`);
    expect(rules.faultIn(without('crossEntropy', 'crossEntropy.count'), 'train', 8)).toBeNull();
    expect(rules.faultIn(without(name), 'train', 8)).toBe(`sums without "${name}"`);
  });

  it('count all samples that were leased', () => {
    const { samples: _, ...uncounted } = trained;
    expect(rules.faultIn(uncounted, 'train', 8)).toBe('sums without "samples"');
  });
});
