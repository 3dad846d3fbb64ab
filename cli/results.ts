/** How the results of a run are shown at its end: as a table for people, as JSON for programs. */
import { counted } from '../shared/counted.js';
import { join } from 'node:path';
import type { PreparedRun } from '../coordinator/plan/prepared-run.js';
import type { Summary } from '../coordinator/reports/summary.js';
import type { TableRow } from '../coordinator/reports/table.js';
import type { RunFlags } from './options.js';
import { print, shellWord } from './output.js';
import type { OpenedRun } from './whole-run.js';

/** Prints what a finished run came to, and where its student lies. */
export async function showResults({ run, out }: OpenedRun, summary: Summary, { json }: RunFlags): Promise<void> {
  if (json === true) {
    print(JSON.stringify(summary));
    return;
  }
  const { describeFacts } = await import('../shared/models/student-facts.js');
  const { resultTable } = await import('../coordinator/reports/table.js');
  const { describeEngines } = await import('../coordinator/plan/run-engines.js');
  const { steps, samples, seconds, digest } = summary;
  const student = join(out, 'student');
  print(`\n${resultTable(tableRows(run, summary))}\n`);
  print(
    `${counted(steps, 'step')}, ${counted(samples, 'sample')} in ${seconds.toFixed(1)} s; weights ${digest.slice(0, 16)}`,
  );
  if (summary.engines !== undefined) describeEngines(summary.engines).forEach((line) => print(line));
  if ('graph' in run.student) {
    print(
      `The student lies in ${student}: student.onnx, the graph as it came with its new weights; student.safetensors.`,
    );
    print(`Use it for inference:  stillhouse export ${shellWord(out)} --format onnx`);
    return;
  }
  print(`The student lies in ${student}: model.json and weights.bin (tfjs), student.safetensors.`);
  if (summary.facts !== undefined) describeFacts(summary.facts).forEach((line) => print(`  ${line}`));
  print(
    `Use it:  tf.loadLayersModel('file://${join(student, 'model.json')}')   or   stillhouse export ${shellWord(out)} --format safetensors --out FOLDER`,
  );
}

function tableRows(run: PreparedRun, { student, baseline, teachers, ensemble }: Summary): TableRow[] {
  const row = (name: string, { parameters, ...figures }: { parameters?: number } & TableRow['figures']): TableRow => ({
    name,
    parameters,
    figures,
  });
  return [
    ...(baseline === undefined ? [] : [row('student alone', baseline)]),
    row(run.teachers.length > 0 ? 'student, distilled' : 'student', student),
    ...Object.entries(student.exits ?? {}).map(([name, accuracy]) => row(`  at ${name}`, { accuracy })),
    ...teachers.map((teacher) => row(`teacher ${teacher.name}`, teacher)),
    ...(ensemble === undefined || teachers.length < 2 ? [] : [row('ensemble', ensemble)]),
  ];
}
