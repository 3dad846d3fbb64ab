/**
 * The model card of a finished run's student (Mitchell et al. 2019), as Markdown: what it was made from, by which
 * teachers and losses, and how good it is. It is written from the run folder's files alone, and says what is missing
 * in them.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { exitCodes, UserError } from '../../shared/errors.js';
import { describeFacts } from '../../shared/models/student-facts.js';
import { describeLosses } from '../../shared/recipe/describe.js';
import { recipeSchema, type Recipe, type SourceRecipe } from '../../shared/recipe/schema.js';
import { taskOf, type Task } from '../../shared/task.js';
import { wilsonInterval } from '../../shared/figures/statistics.js';
import { runIdIn } from '../store/generations.js';
import { afterRewinds } from '../store/journal.js';
import { readJournal } from '../store/journal-file.js';
import { parseStored, writeDurably } from '../store/durable-files.js';
import { figureTexts, percent, type Figures } from '../../shared/figures/figures.js';
import { expectWhole, summaryIn } from './finished-run.js';
import type { Summary } from './summary.js';

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
  /** Samples of the student's last evaluation; null where it was not evaluated. */
  readonly evaluationSamples: number | null;
  /** Whether the student beside the card has its preprocessing in its graph. Default: it has not. */
  readonly isPreprocessed?: boolean;
}

/**
 * Writes `MODEL_CARD.md`.
 * @param isPreprocessed whether the student beside it has its preprocessing in its graph
 * @returns its path @throws UserError 65 when a file of the run is damaged */
export async function writeModelCard(run: string, out: string, isPreprocessed = false): Promise<string> {
  const path = join(out, 'MODEL_CARD.md');
  const source = { ...(await readCardSource(run)), isPreprocessed };
  await writeDurably(path, [Buffer.from(modelCard(source))]);
  return path;
}

async function readCardSource(run: string): Promise<CardSource> {
  const summary = await summaryIn(run);
  if (summary === null) throw new UserError(`${run}: holds no summary yet; a finished run was wanted`, exitCodes.data);
  await expectWhole(run, (name) => name === 'recipe.yaml');
  const recipeFile = join(run, 'recipe.yaml');
  const recipeText = await readFile(recipeFile, 'utf8');
  const { digests, ...recipe } = parseStored(recipeFile, storedRecipeSchema, () => parse(recipeText));
  const journal = await readJournal(join(run, 'journal.jsonl'), { run: await runIdIn(run), logged: new Map() });
  const lines = afterRewinds(journal.lines);
  const evaluation = lines.findLast((line) => line.type === 'evaluation' && line.subject === 'student');
  return {
    recipe: parseStored(recipeFile, recipeSchema, () => recipe),
    digests,
    summary,
    evaluationSamples: evaluation?.type === 'evaluation' ? evaluation.samples : null,
  };
}

export function modelCard(source: CardSource): string {
  const { recipe, summary } = source;
  const { teachers } = summary;
  const parts = [
    `# ${summary.name}`,
    teachers.length === 0
      ? 'A student trained by Stillhouse.'
      : `A student distilled by Stillhouse from ${teachers.map(({ name }) => name).join(', ')}.`,
    '## Figures',
    ...figureParts(source),
    '## What it is fed, and what it gives',
    factPart(source),
    '## Training',
    list(trainingLines(recipe, summary)),
    '## Data',
    list(dataLines(recipe)),
    '## Digests (SHA-256)',
    list(digestLines(source)),
    '## Not told by the run',
    'Licences of data and teachers, intended use, and how the student behaves on other data: whoever passes it on adds these.',
  ];
  return `${parts.join('\n\n')}\n`;
}

function factPart({ summary: { facts }, isPreprocessed = false }: CardSource): string {
  if (facts === undefined) return 'Missing: the run is of an earlier version.';
  const { input } = facts;
  const told = isPreprocessed ? { ...facts, input: { ...input, preprocess: null } } : facts;
  const inside =
    isPreprocessed && input.preprocess !== null ? ['the scaling is in the graph of the files beside this card'] : [];
  return list([...describeFacts(told), ...inside, 'ONNX: the input is called `input`, the output `logits`']);
}

type NamedModel = Figures & { readonly name: string; readonly parameters: number };

function figureParts({ recipe, summary, evaluationSamples: samples }: CardSource): string[] {
  const { student, baseline, teachers, ensemble } = summary;
  const task = taskOf(recipe);
  const models: NamedModel[] = [
    { ...student, name: 'student' },
    ...(baseline === undefined ? [] : [{ ...baseline, name: 'student alone (baseline)' }]),
    ...teachers.map((teacher) => ({ ...teacher, name: `teacher ${teacher.name}` })),
    ...(ensemble === undefined || teachers.length < 2 ? [] : [{ ...ensemble, name: 'ensemble' }]),
  ];
  const interval = task === 'classes' ? ', with its 95 % interval (Wilson)' : '';
  return [
    samples === null
      ? 'Missing: the run had no evaluation data.'
      : `${figuresIn[task]} on ${samples.toLocaleString('en-US')} evaluation samples${interval}.`,
    task === 'classes' ? accuracyTable(models, samples) : figuresTable(models, student),
    ...calibrationParts(student),
  ];
}

/** What the table of figures shows, for each task. */
const figuresIn: Readonly<Record<Task, string>> = {
  classes: 'Accuracy',
  regression: 'Share of the variance that is explained (R2) and errors',
  multiLabel: 'F1 and other figures of labels at a probability of a half,',
  sequence: 'Accuracy over positions, and share of sequences that are right as a whole,',
};

/** @param figures names of the columns after the parameters @param cellsOf the cells of a model in these columns */
function table(
  models: readonly NamedModel[],
  figures: readonly string[],
  cellsOf: (model: NamedModel) => readonly string[],
): string {
  const head = ['model', 'parameters', ...figures];
  const body = models.map((model) => [
    model.name,
    model.parameters === 0 ? '-' : model.parameters.toLocaleString('en-US'),
    ...cellsOf(model),
  ]);
  return [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function accuracyTable(models: readonly NamedModel[], samples: number | null): string {
  return table(models, ['accuracy', 'interval'], ({ accuracy }) => {
    if (accuracy === undefined || samples === null) return ['missing', 'missing'];
    const { low, high } = wilsonInterval(Math.round(accuracy * samples), samples);
    return [percent(accuracy), `${percent(low)} to ${percent(high)}`];
  });
}

/** The columns are the student's figures. */
function figuresTable(models: readonly NamedModel[], student: Figures): string {
  const names = figureTexts(student).map(([name]) => name);
  return table(models, names, (model) => {
    const texts = new Map(figureTexts(model));
    return names.map((name) => texts.get(name) ?? '-');
  });
}

function calibrationParts({ loss, calibrationError }: Summary['student']): string[] {
  if (loss === undefined || calibrationError === undefined) return [];
  return [
    `The student's cross entropy is ${loss.toFixed(4)}, its expected calibration error ${percent(calibrationError)}.`,
  ];
}

function trainingLines(recipe: Recipe, { dropped = [], steps, samples, seconds, workers }: Summary): string[] {
  const { optimizer, batch, seed, compression } = recipe;
  const backends = [...new Set(workers.map(({ backend }) => backend))].join(', ');
  return [
    ...describeLosses(recipe).map((line) => `\`${line}\``),
    ...dropped.map(({ name, step }) => `teacher ${name} failed: from step ${step} on the ensemble was without it`),
    `optimizer: ${optimizer.name}, learning rate ${optimizer.learningRate}, schedule ${optimizer.schedule?.name ?? 'none'}`,
    `${steps.toLocaleString('en-US')} steps of ${batch.size} samples, ${samples.toLocaleString('en-US')} samples in all, ${seconds.toFixed(0)} s, seed ${seed}`,
    `compression of gradients: ${compression}; backends: ${backends === '' ? 'missing' : backends}`,
  ];
}

function dataLines({ data: { train, unlabelled, eval: evaluation, augment } }: Recipe): string[] {
  return [
    `training: ${describeSource(train)}`,
    ...(unlabelled === undefined ? [] : [`training, unlabelled: ${describeSource(unlabelled)}`]),
    `evaluation: ${evaluation === undefined ? 'none' : describeSource(evaluation)}`,
    `augmentation: ${augment === undefined ? 'none' : JSON.stringify(augment)}`,
  ];
}

function digestLines({ digests, summary }: CardSource): string[] {
  return [
    `weights: ${summary.digest}`,
    `recipe: ${digests.recipe}`,
    `student's topology: ${digests.student}`,
    `data: ${digests.data}`,
    ...Object.entries(digests.teachers).map(([name, files]) => `teacher ${name}: ${files.join(', ')}`),
  ];
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
    ...(labelled === undefined
      ? []
      : [
          typeof labelled === 'number'
            ? `labels of ${labelled}, of each class its share`
            : `labels of the first ${labelled.first}`,
        ]),
    ...(onlyLabelled === true ? ['only those with a label'] : []),
  ].join(', ');
}

const list = (lines: readonly string[]): string => lines.map((line) => `- ${line}`).join('\n');
