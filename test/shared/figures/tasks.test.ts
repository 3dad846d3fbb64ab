/** What holds for the figures of every task, and the names under which each one's sums travel. */
import { describe, expect, it } from 'vitest';
import type { GroundTruth, TeacherAnswers } from '../../../shared/figures/task-figures.js';
import { mainFigure, type StudentEvaluation } from '../../../shared/figures/figures.js';
import { joined, samplesIn } from '../../../shared/figures/sum-names.js';
import { figuresByTask } from '../../../shared/figures/tasks.js';
import { addSums, type Sums } from '../../../shared/replica/reduction/contribution.js';
import { hasVectors, tasks, type Task } from '../../../shared/task.js';

const rows = 60;
const width = 3;

/** Sample 7 of each ten has no label. */
function truthOf(task: Task, from = 0, to = rows): GroundTruth {
  const positions = task === 'sequence' ? 2 : 1;
  const hasLabel = (row: number): boolean => row % 10 !== 7;
  const labels = Int32Array.from({ length: (to - from) * positions }, (_, i) => {
    const row = from + Math.floor(i / positions);
    if (!hasLabel(row)) return -1;
    return hasVectors(task) ? 0 : (row * 7 + (i % positions)) % width;
  });
  const vector = (row: number, k: number): number =>
    task === 'multiLabel' ? Number((row + k) % 3 === 0) : Math.sin(row * (k + 1));
  const vectors = hasVectors(task)
    ? Float32Array.from({ length: (to - from) * width }, (_, i) => vector(from + Math.floor(i / width), i % width))
    : new Float32Array(0);
  return { rows: to - from, labels, vectors, width, positions, means: [1 / 3, 1 / 3, 1 / 3] };
}

/** Outputs that are right for every sample with a label. */
function rightOutputs(task: Task, { labels, vectors }: GroundTruth): Float32Array {
  if (task === 'regression') return vectors;
  if (task === 'multiLabel') return vectors.map((value) => value - 0.5);
  return Float32Array.from({ length: labels.length * width }, (_, i) =>
    i % width === Math.max(0, labels[Math.floor(i / width)] ?? 0) ? 4 : 0,
  );
}

/** Outputs that do not look at the sample. */
function constantOutputs(task: Task, truth: GroundTruth): Float32Array {
  const [one, others] = task === 'regression' ? [1 / 3, 1 / 3] : [1, -1];
  return rightOutputs(task, truth).map((_, i) => (i % width === 1 ? one : others));
}

const answersTo = (task: Task, truth: GroundTruth): TeacherAnswers => ({
  teachers: new Map([
    ['wise', rightOutputs(task, truth)],
    ['blind', constantOutputs(task, truth)],
  ]),
  ensemble: rightOutputs(task, truth),
  specialties: new Map(),
});

/** The sums over samples [from, to), with some right and some wrong answers of the student. */
function sumsOf(task: Task, from = 0, to = rows): { student: Sums; teachers: Sums } {
  const truth = truthOf(task, from, to);
  const first = from * truth.positions * width;
  const { studentSums, teacherSums } = figuresByTask[task];
  const outputs = rightOutputs(task, truth).map((value, i) => value + Math.sin(3 * (first + i)));
  return { student: studentSums(truth, outputs, new Map()), teachers: teacherSums(truth, answersTo(task, truth)) };
}

const entriesOf = (figures: StudentEvaluation): [string, number][] =>
  Object.entries(figures).map(([name, value]) => [name, Number(value)]);

describe.each(tasks)('the figures of %s', (task) => {
  const figures = figuresByTask[task];
  const whole = sumsOf(task);

  it('are the same of the whole set and of parts that are added up', () => {
    const [first, second] = [sumsOf(task, 0, 23), sumsOf(task, 23, rows)];
    for (const subject of ['student', 'teachers'] as const) {
      const added = addSums(first[subject], second[subject]);
      expect(Object.keys(added).sort()).toEqual(Object.keys(whole[subject]).sort());
      for (const [name, value] of Object.entries(whole[subject])) expect(added[name]).toBeCloseTo(value, 9);
    }
    const added = figures.studentFigures(addSums(first.student, second.student));
    const direct = figures.studentFigures(whole.student);
    expect(Object.keys(added)).toEqual(Object.keys(direct));
    for (const [name, value] of entriesOf(direct)) expect(new Map(entriesOf(added)).get(name)).toBeCloseTo(value, 9);
  });

  it('hold of the student what they hold of any model, and more', () => {
    expect(figures.studentFigures(whole.student)).toMatchObject(figures.figuresOf(whole.student, 'student'));
  });

  it('are the best that there are for right answers', () => {
    expect(mainFigure(figures.figuresOf(whole.teachers, { teacher: 'wise' }))?.value).toBe(1);
    expect(mainFigure(figures.figuresOf(whole.teachers, 'ensemble'))?.value).toBe(1);
  });

  it('tell a teacher that knows from one that guesses', () => {
    const isGuessing = (teacher: string): boolean => figures.isGuessing(whole.teachers, teacher, width);
    expect([isGuessing('wise'), isGuessing('blind'), isGuessing('nobody')]).toEqual([false, true, false]);
  });

  it('are none of a model that was not evaluated', () => {
    expect(figures.figuresOf(whole.teachers, { teacher: 'nobody' })).toEqual({});
    expect(figures.agreementOf(whole.teachers, 'nobody', rows)).toBeUndefined();
  });

  it('are none where no sample has a label, or the evaluation was given up', () => {
    const truth = truthOf(task);
    const bare = { ...truth, labels: truth.labels.map(() => -1), vectors: new Float32Array(0), means: [] };
    const outputs = new Float32Array(rows * truth.positions * width);
    const answers = { teachers: new Map([['a', outputs]]), ensemble: outputs, specialties: new Map() };
    for (const sums of [figures.teacherSums(bare, answers), {}]) {
      expect([samplesIn(sums), figures.figuresOf(sums, 'ensemble'), figures.isGuessing(sums, 'a', width)]).toEqual([
        0,
        {},
        false,
      ]);
    }
    for (const sums of [figures.studentSums(bare, outputs, new Map()), {}]) {
      expect(figures.figuresOf(sums, 'student')).toEqual({});
      for (const [, value] of entriesOf(figures.studentFigures(sums))) expect(value).toBe(0);
    }
  });

  it('count how often a teacher and the ensemble agree, where they can', () => {
    const agreement = figures.agreementOf(whole.teachers, 'wise', rows);
    expect(agreement).toBe(task === 'regression' ? undefined : 1);
  });
});

describe('the sums travel under the names that journals have', () => {
  const labelled = ['hits', 'told', 'actual', 'exact', 'right', 'loss'];
  const under = (owner: string, fields: readonly string[]): string[] => fields.map((field) => `${owner}.${field}`);
  const wanted: Record<Task, { student: string[]; teachers: string[] }> = {
    classes: {
      student: ['samples', 'student.correct', 'student.loss'],
      teachers: [
        'samples',
        'ensemble.correct',
        ...['wise', 'blind'].flatMap((t) => under(`teacher.${t}`, ['correct', 'agree'])),
      ],
    },
    sequence: {
      student: ['samples', 'student.correct', 'student.loss', 'sequences', 'student.exact'],
      teachers: [
        ...['samples', 'ensemble.correct', 'sequences', 'ensemble.exact'],
        ...['wise', 'blind'].flatMap((t) => under(`teacher.${t}`, ['correct', 'exact', 'agree'])),
      ],
    },
    regression: {
      student: ['samples', 'spread', 'student.squares', 'student.absolutes'],
      teachers: [
        ...['samples', 'spread'],
        ...['teacher.wise', 'teacher.blind', 'ensemble'].flatMap((owner) => under(owner, ['squares', 'absolutes'])),
      ],
    },
    multiLabel: {
      student: [
        'samples',
        ...under('student', labelled),
        ...[0, 1, 2].flatMap((k) => under(`label.${k}`, labelled.slice(0, 3))),
      ],
      teachers: [
        'samples',
        ...under('ensemble', labelled),
        ...['wise', 'blind'].flatMap((t) => under(`teacher.${t}`, [...labelled, 'skill', 'skillSquares', 'agree'])),
      ],
    },
  };

  it.each(tasks)('and in their order: %s', (task) => {
    const { student, teachers } = sumsOf(task);
    const gaps = (name: string): boolean => /^student\.calibration\.\d+$/.test(name);
    const details = (name: string): boolean =>
      /^(confusion\.\d+\.\d+|student\.bin\.\d+\.(samples|correct))$/.test(name);
    expect(Object.keys(student).filter((name) => !gaps(name) && !details(name))).toEqual(wanted[task].student);
    expect(Object.keys(student).some(gaps)).toBe(!hasVectors(task));
    expect(Object.keys(student).some(details)).toBe(task === 'classes');
    expect(Object.keys(teachers)).toEqual(wanted[task].teachers);
  });

  it('those of earlier exits and of specialists too', () => {
    const truth = truthOf('classes');
    const { studentSums, teacherSums, studentFigures, figuresOf } = figuresByTask.classes;
    const student = studentSums(
      truth,
      rightOutputs('classes', truth),
      new Map([['a.b', constantOutputs('classes', truth)]]),
    );
    expect(student).toMatchObject({ samples: 54, 'exit.a.b.correct': 18 });
    expect(studentFigures(student).exits).toEqual({ 'a.b': 18 / 54 });
    const teachers = teacherSums(truth, { ...answersTo('classes', truth), specialties: new Map([['blind', [1]]]) });
    expect(teachers).toMatchObject({ 'teacher.blind.samples': 18, 'teacher.blind.correct': 18 });
    expect(figuresOf(joined(teachers), { teacher: 'blind' })).toEqual({ accuracy: 1 });
  });
});
