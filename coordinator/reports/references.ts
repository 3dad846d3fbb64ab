/** What a student is compared with while it is trained: its teachers, their ensemble, and itself without them. Pure. */
import { mainFigure, type Figures } from '../../shared/figures/figures.js';
import type { Task } from '../../shared/task.js';
import type { TeacherSpec } from '../../shared/protocol/messages.js';
import { teacherResults, type Summary } from './summary.js';
import type { Account } from './totals.js';

export interface ComparedModels {
  readonly task: Task;
  readonly teachers: readonly TeacherSpec[];
  /** What the baseline came to; absent where there is none. */
  readonly baseline: Summary['baseline'];
}

/** The main figure of each of them that was evaluated, by the newest evaluation of the teachers. */
export function referencesOf(
  { task, teachers, baseline }: ComparedModels,
  account: Pick<Account, 'teachers'>,
): { readonly name: string; readonly figure: string; readonly value: number }[] {
  const results = teacherResults(task, teachers, account.teachers);
  const compared: [string, Figures | undefined][] = [
    ...results.teachers.map((teacher): [string, Figures] => [`teacher ${teacher.name}`, teacher]),
    ['ensemble', results.teachers.length > 1 ? results.ensemble : undefined],
    ['student alone', baseline],
  ];
  return compared.flatMap(([name, figures = {}]) => {
    const figure = mainFigure(figures);
    return figure === undefined ? [] : [{ name, figure: figure.name, value: figure.value }];
  });
}
