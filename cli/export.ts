/** `stillhouse export`: a run's student in the forms that others load, with its model card. */
import { dirname, join } from 'node:path';
import { exitCodes, UserError } from '../shared/errors.js';
import { print } from './output.js';
import { action, type Verb } from './verb.js';

interface ExportFlags {
  /** Names of formats, separated by commas. */
  readonly format?: string;
  readonly out?: string;
  readonly withPreprocessing?: boolean;
}

export const verb: Verb = (program) =>
  program
    .command('export')
    .argument('<run>', 'run folder')
    .description('the student in a form that others load')
    .option('--format <names>', 'tfjs, safetensors, onnx (default tfjs,safetensors)')
    .option('--with-preprocessing', 'put the scaling into the graph, so that raw samples are fed (default tfjs)')
    .option('--out <dir>', 'where to (default RUN/export)')
    .action(action(exportStudent));

async function exportStudent(folder: string, flags: ExportFlags): Promise<number> {
  const { out = join(folder, 'export'), withPreprocessing: isPreprocessed = false } = flags;
  const { format = isPreprocessed ? 'tfjs' : 'tfjs,safetensors' } = flags;
  const { exportFormats } = await import('../worker/tools/export/export-student.js');
  const formats = format.split(',').map((name) => {
    const known = exportFormats.find((one) => one === name);
    if (known === undefined)
      throw new UserError(`--format ${name === '' ? '""' : name}: one of ${exportFormats.join(', ')} was wanted`);
    return known;
  });
  const { exportRun } = await import('../worker/tools/export/export-run.js');
  const { expectWhole } = await import('../coordinator/reports/finished-run.js');
  const { writeModelCard } = await import('../coordinator/reports/model-card.js');
  const { writeSums } = await import('../shared/models/sums-file.js');
  await expectWhole(folder, (name) => dirname(name) === 'student');
  const files = await exportRun(folder, out, { formats, isPreprocessed });
  files.forEach(print);
  const card = await writeModelCard(folder, out, isPreprocessed);
  print(card);
  await writeSums(out, [...files, card]);
  return exitCodes.done;
}
