/**
 * The model card of a finished run's student (Mitchell et al. 2019): what it is, from what, by which teachers and
 * losses, and how good, as Markdown. From the run folder's files alone; what they do not tell is said to be missing.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { exitCodes, UserError } from '../../shared/errors.js';
import { describeLosses } from '../../shared/recipe/check.js';
import { recipeSchema, type Recipe, type SourceRecipe } from '../../shared/recipe/schema.js';
import { taskOf, type Task } from '../../shared/task.js';
import { wilsonInterval } from '../../shared/figures/statistics.js';
import { afterRewinds, readJournal } from '../store/journal.js';
import { isFinished } from '../store/run-folder.js';
import { parseStored, writeDurably } from '../store/durable-files.js';
import { figureTexts, percent, type Figures } from '../../shared/figures/figures.js';
import { summarySchema, type Summary } from './summary.js';

const digestsSchema = z.looseObject({
  recipe: z.string(),
  student: z.string(),
  data: z.string(),
  teachers: z.record(z.string(), z.array(z.string())),
});
const storedRecipeSchema = z.looseObject({ digests: digestsSchema });

export interface CardSource {
  readonly recipe: Recipe;
  readonly digests: z.infer<typeof digestsSchema>;
  readonly summary: Summary;
  /** Of the last evaluation; null where nothing was evaluated. */
  readonly evaluationSamples: number | null;
}

/** Writes `MODEL_CARD.md`. @returns its path @throws UserError 65 when a file of the run is damaged */
export async function writeModelCard(run: string, out: string): Promise<string> {
  const path = join(out, 'MODEL_CARD.md');
  await writeDurably(path, [Buffer.from(modelCard(await readCardSource(run)))]);
  return path;
}

async function readCardSource(run: string): Promise<CardSource> {
  if (!(await isFinished(run)))
    throw new UserError(`${run}: holds no summary yet; a finished run was wanted`, exitCodes.data);
  const [recipeFile, summaryFile] = [join(run, 'recipe.yaml'), join(run, 'summary.json')];
  const [recipeText, summaryText] = await Promise.all([readFile(recipeFile, 'utf8'), readFile(summaryFile, 'utf8')]);
  const { digests, ...recipe } = parseStored(recipeFile, storedRecipeSchema, () => parse(recipeText));
  const lines = afterRewinds((await readJournal(join(run, 'journal.jsonl'))).lines);
  const evaluation = lines.findLast((line) => line.type === 'evaluation' && line.subject === 'student');
  return {
    recipe: parseStored(recipeFile, recipeSchema, () => recipe),
    digests,
    summary: parseStored(summaryFile, summarySchema, () => JSON.parse(summaryText)),
    evaluationSamples: evaluation?.type === 'evaluation' ? evaluation.samples : null,
  };
}

export function modelCard({ recipe, digests, summary, evaluationSamples }: CardSource): string {
  const { student, baseline, teachers, ensemble } = summary;
  const models: [string, Model][] = [
    ['student', student],
    ...(baseline === undefined ? [] : [['student alone (baseline)', baseline] satisfies [string, Model]]),
    ...teachers.map((teacher): [string, Model] => [`teacher ${teacher.name}`, teacher]),
    ...(ensemble === undefined || teachers.length < 2 ? [] : [['ensemble', ensemble] satisfies [string, Model]]),
  ];
  return `${[
    `# ${summary.name}`,
    teachers.length === 0
      ? 'A student trained by Stillhouse.'
      : `A student distilled by Stillhouse from ${teachers.map(({ name }) => name).join(', ')}.`,
    '## Figures',
    evaluationSamples === null
      ? 'Missing: the run had no evaluation data.'
      : `${about[taskOf(recipe)]} on ${evaluationSamples.toLocaleString('en-US')} evaluation samples${taskOf(recipe) === 'classes' ? ', with its 95 % interval (Wilson)' : ''}.`,
    table(taskOf(recipe), models, evaluationSamples),
    calibration(student),
    '## Training',
    list([
      ...describeLosses(recipe).map((line) => `\`${line}\``),
      ...(summary.dropped ?? []).map(
        ({ name, step }) => `teacher ${name} failed: from step ${step} on the ensemble was without it`,
      ),
      `optimizer: ${recipe.optimizer.name}, learning rate ${recipe.optimizer.learningRate}, schedule ${recipe.optimizer.schedule?.name ?? 'none'}`,
      `${summary.steps.toLocaleString('en-US')} steps of ${recipe.batch.size} samples, ${summary.samples.toLocaleString('en-US')} samples in all, ${summary.seconds.toFixed(0)} s, seed ${recipe.seed}`,
      `compression of gradients: ${recipe.compression}; backends: ${[...new Set(summary.workers.map(({ backend }) => backend))].join(', ') || 'missing'}`,
    ]),
    '## Data',
    list([
      `training: ${describeSource(recipe.data.train)}`,
      ...(recipe.data.unlabelled === undefined
        ? []
        : [`training, unlabelled: ${describeSource(recipe.data.unlabelled)}`]),
      `evaluation: ${recipe.data.eval === undefined ? 'none' : describeSource(recipe.data.eval)}`,
      `augmentation: ${recipe.data.augment === undefined ? 'none' : JSON.stringify(recipe.data.augment)}`,
    ]),
    '## Digests (SHA-256)',
    list([
      `weights: ${summary.digest}`,
      `recipe: ${digests.recipe}`,
      `student's topology: ${digests.student}`,
      `data: ${digests.data}`,
      ...Object.entries(digests.teachers).map(([name, files]) => `teacher ${name}: ${files.join(', ')}`),
    ]),
    '## Not told by the run',
    'Licences of data and teachers, intended use, and how the student behaves on other data: whoever passes it on adds these.',
  ]
    .filter((part) => part !== '')
    .join('\n\n')}\n`;
}

type Model = Figures & { readonly parameters: number };

const about: Readonly<Record<Task, string>> = {
  classes: 'Accuracy',
  regression: 'Share of the variance that is explained (R2) and errors',
  multiLabel: 'F1 and other figures of labels at a probability of a half,',
  sequence: 'Accuracy over positions, and share of sequences that are right as a whole,',
};

function table(task: Task, models: readonly [string, Model][], samples: number | null): string {
  if (task === 'classes')
    return [
      '| model | parameters | accuracy | interval |',
      '| --- | --- | --- | --- |',
      ...models.map(([name, model]) => row(name, model, samples)),
    ].join('\n');
  const names = figureTexts(models[0]?.[1] ?? {}).map(([name]) => name);
  const lines = models.map(([name, model]) => [
    name,
    model.parameters.toLocaleString('en-US'),
    ...names.map((figure) => new Map(figureTexts(model)).get(figure) ?? '-'),
  ]);
  return [['model', 'parameters', ...names], ['---', '---', ...names.map(() => '---')], ...lines]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

function row(name: string, { parameters, accuracy }: Model, samples: number | null): string {
  const count = parameters.toLocaleString('en-US');
  if (accuracy === undefined || samples === null) return `| ${name} | ${count} | missing | missing |`;
  const { low, high } = wilsonInterval(Math.round(accuracy * samples), samples);
  return `| ${name} | ${count} | ${percent(accuracy)} | ${percent(low)} to ${percent(high)} |`;
}

function calibration({ loss, calibrationError }: Summary['student']): string {
  return loss === undefined || calibrationError === undefined
    ? ''
    : `The student's cross entropy is ${loss.toFixed(4)}, its expected calibration error ${percent(calibrationError)}.`;
}

function describeSource(source: SourceRecipe): string {
  const { format, limit, labelled, onlyLabelled, ...rest } = source;
  const files = [
    ...new Set(
      Object.values(rest)
        .flat()
        .filter((value) => typeof value === 'string'),
    ),
  ];
  return [
    `${format} (${files.join(', ')})`,
    ...(limit === undefined ? [] : [`first ${limit} samples`]),
    ...(labelled === undefined ? [] : [`labels of the first ${labelled}`]),
    ...(onlyLabelled === true ? ['only those with a label'] : []),
  ].join(', ');
}

const list = (lines: readonly string[]): string => lines.map((line) => `- ${line}`).join('\n');
