/** `stillhouse report`: one run or several, as one HTML file that needs nothing else. */
import { exitCodes } from '../shared/errors.js';
import { expectPlace } from './output-place.js';
import { print } from './output.js';
import { action, type Verb } from './verb.js';

interface ReportFlags {
  readonly output: string;
}

export const verb: Verb = (program) =>
  void program
    .command('report')
    .argument('<runs...>', 'run folders; several are compared')
    .description('curves, figures, digests and recipes of runs as one HTML file')
    .option('--output <file>', 'where it goes', 'report.html')
    .action(action(report));

async function report(folders: readonly string[], { output }: ReportFlags): Promise<number> {
  await expectPlace('--output', output);
  const { readRun } = await import('../coordinator/report/reported-run.js');
  const { reportPage } = await import('../coordinator/report/report-page.js');
  const { writeDurably } = await import('../coordinator/store/durable-files.js');
  const runs = await Promise.all(folders.map((folder) => readRun(folder)));
  await writeDurably(output, [Buffer.from(reportPage(runs))]);
  print(output);
  return exitCodes.done;
}
