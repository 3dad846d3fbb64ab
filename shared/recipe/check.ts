/** What the schema cannot say: fields of a recipe that must fit each other. Pure. */
import type { Recipe } from './schema.js';

export interface Finding {
  readonly path: readonly (string | number)[];
  readonly text: string;
}

export function checkFields(recipe: Recipe): { problems: Finding[]; warnings: Finding[] } {
  const problems: Finding[] = [];
  const warnings: Finding[] = [];
  const { losses, teachers, batch } = recipe;
  if (losses.crossEntropy === undefined && losses.response === undefined) problems.push({ path: ['losses'], text: 'losses: no term given; crossEntropy, response or both wanted' });
  if (losses.response !== undefined && teachers.length === 0) problems.push({ path: ['losses', 'response'], text: 'losses.response: there is no teacher; at least one under teachers wanted' });
  if (losses.response === undefined && teachers.length > 0) warnings.push({ path: ['teachers'], text: 'teachers: no loss term uses them; they are evaluated only' });
  if (batch.micro !== undefined && batch.size < batch.micro) problems.push({ path: ['batch', 'micro'], text: `batch.micro: ${batch.micro} given; at most batch.size (${batch.size}) wanted` });
  if (recipe.epochs === undefined && recipe.steps === undefined) problems.push({ path: [], text: 'epochs: missing; epochs or steps wanted' });
  if (recipe.epochs !== undefined && recipe.steps !== undefined) problems.push({ path: ['steps'], text: 'steps: given beside epochs; one of the two wanted' });
  if (recipe.evaluate.earlyStop !== undefined && recipe.data.eval === undefined) problems.push({ path: ['evaluate', 'earlyStop'], text: 'evaluate.earlyStop: there is no evaluation set; data.eval wanted' });
  problems.push(...teacherProblems(recipe), ...sourceProblems(recipe));
  warnings.push(...temperatureWarnings(recipe));
  return { problems, warnings };
}

function teacherProblems({ teachers }: Recipe): Finding[] {
  const twice = teachers.flatMap(({ name }, i) => (teachers.findIndex((other) => other.name === name) < i ? [{ path: ['teachers', i, 'name'], text: `teachers.${i}.name: "${name}" given twice; a name of its own wanted` }] : []));
  const sum = teachers.reduce((total, { weight }) => total + weight, 0);
  return teachers.length > 0 && sum === 0 ? [...twice, { path: ['teachers'], text: 'teachers: all weights are 0; at least one above 0 wanted' }] : twice;
}

function sourceProblems({ data }: Recipe): Finding[] {
  return (['train', 'eval'] as const).flatMap((key) => {
    const source = data[key];
    const isLost = source?.format === 'idx' && source.images === undefined && source.inputs === undefined;
    return isLost ? [{ path: ['data', key], text: `data.${key}.images: missing; the file of images wanted` }] : [];
  });
}

function temperatureWarnings({ teachers, losses }: Recipe): Finding[] {
  const given = [
    ...(losses.response === undefined ? [] : [{ path: ['losses', 'response', 'temperature'], t: losses.response.temperature }]),
    ...teachers.flatMap(({ temperature }, i) => (temperature === undefined ? [] : [{ path: ['teachers', i, 'temperature'], t: temperature }])),
  ];
  return given.filter(({ t }) => t < 1 || t > 20).map(({ path, t }) => ({ path, text: `${path.join('.')}: ${t} given; 1 to 20 is usual (too high makes labels uniform, too low makes them hard)` }));
}

/** The total loss written out, every factor visible. */
export function describeLosses({ losses, teachers, ensemble }: Recipe): string[] {
  const terms: string[] = [];
  if (losses.crossEntropy !== undefined) terms.push(`${losses.crossEntropy.weight} x crossEntropy`);
  if (losses.response !== undefined) {
    const { weight, temperature } = losses.response;
    terms.push(`${weight} x ${temperature * temperature} x KL(ensemble || student at T=${temperature})`);
  }
  const sum = teachers.reduce((total, { weight }) => total + weight, 0);
  const shares = teachers.map(({ name, weight }) => `${(weight / (sum || 1)).toFixed(4)} x ${name}`);
  return [`total = ${terms.join(' + ')}`, ...(shares.length === 0 ? [] : [`ensemble (${ensemble.combine}) = ${shares.join(' + ')}`])];
}
