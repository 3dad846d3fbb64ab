/** What a recipe says of the teachers that a column of the data chooses. */
import { describe, expect, it } from 'vitest';
import { checkFields } from '../../../shared/recipe/check.js';
import { describeLosses } from '../../../shared/recipe/describe.js';
import { routePlan } from '../../../shared/recipe/route.js';
import { recipeSchema, type Recipe } from '../../../shared/recipe/schema.js';

const csv = { format: 'csv', inputs: 'x.csv', labels: 'y' };

function recipeWith(route: object, overrides: Record<string, unknown> = {}): Recipe {
  const { ensemble = {}, ...others } = overrides;
  return recipeSchema.parse({
    student: { builtin: 'mlp' },
    teachers: ['en', 'de', 'multi'].map((name) => ({ name, model: `${name}.onnx` })),
    losses: { response: { weight: 1 } },
    optimizer: { name: 'sgd', learningRate: 0.1 },
    batch: { size: 8 },
    epochs: 1,
    data: { train: csv },
    ensemble: { route: { column: 'language', ...route }, ...(ensemble as object) },
    ...others,
  });
}
const errorsOf = (...args: Parameters<typeof recipeWith>): string[] =>
  checkFields(recipeWith(...args)).problems.map(({ text }) => text);

describe('routePlan', () => {
  it('takes what the column holds for the name of a teacher, unless the recipe says otherwise', () => {
    const plan = routePlan(recipeWith({}));
    expect(plan?.groups).toEqual([['en'], ['de'], ['multi']]);
    expect(['multi', 'en', 'fr', null].map((value) => plan?.groupOf(value))).toEqual([2, 0, null, null]);
  });

  it('has each group of teachers once, in the order of the recipe, and one for all the rest', () => {
    const plan = routePlan(
      recipeWith({ teachers: { 'de-AT': ['multi', 'de'], 'de-DE': ['de', 'multi'], en: 'en' }, otherwise: 'multi' }),
    );
    expect(plan?.groups).toEqual([['de', 'multi'], ['en'], ['multi']]);
    expect(['de-AT', 'de-DE', 'en', 'fr', null].map((value) => plan?.groupOf(value))).toEqual([0, 0, 1, 2, 2]);
    expect(plan?.known).toEqual(['de-AT', 'de-DE', 'en']);
  });

  it('is none where the recipe has no route', () => {
    expect(routePlan({ ...recipeWith({}), ensemble: { ...recipeWith({}).ensemble, route: undefined } })).toBeNull();
  });
});

describe('a route', () => {
  it.each([[{}], [{ teachers: { a: ['en', 'de'] }, otherwise: 'multi' }], [{ column: 3 }]])('is taken: %j', (route) => {
    expect(errorsOf(route)).toEqual([]);
  });

  it.each<[object, Record<string, unknown>, string]>([
    [
      { teachers: { en: 'english' } },
      {},
      'ensemble.route.teachers.en: "english" is no teacher; one of en, de, multi wanted',
    ],
    [{ otherwise: ['en', 'all'] }, {}, 'ensemble.route.otherwise: "all" is no teacher; one of en, de, multi wanted'],
    [
      { teachers: { en: 'off' } },
      {
        teachers: [
          { name: 'off', model: 'a.onnx', weight: 0 },
          { name: 'on', model: 'b.onnx' },
        ],
      },
      'ensemble.route.teachers.en: off given, of weight 0; a teacher with a weight above 0 wanted',
    ],
    [
      {},
      { data: { train: csv, eval: { format: 'npy', inputs: 'x.npy' } } },
      'ensemble.route.column: given beside data.eval of format npy, which has no columns; csv, jsonl, parquet, arrow, tfrecord or webdataset wanted',
    ],
    [{}, { ensemble: { subset: 1 } }, 'ensemble.route: given beside ensemble.subset; one of the two wanted'],
    [
      {},
      { ensemble: { onFailure: 'drop' } },
      'ensemble.route: given beside ensemble.onFailure: drop, after which some samples could have no teacher; stop wanted',
    ],
    [
      {},
      {
        teachers: [
          { name: 'a', model: 'a.onnx', specialist: [1] },
          { name: 'b', model: 'b.onnx' },
        ],
      },
      'ensemble.route: given beside the specialist a; one of the two wanted',
    ],
    [
      {},
      { labels: { from: 'labels.npz' } },
      'ensemble.route: given beside labels.from, whose labels are of no teacher here; one of the two wanted',
    ],
    [
      {},
      { losses: { features: { weight: 1, pairs: [{ student: 'b', teacher: 'en/c' }] } } },
      'ensemble.route: given beside losses.features, which compares every sample with a teacher; one of the two wanted',
    ],
  ])('is refused: %j beside %j', (route, overrides, message) => {
    expect(errorsOf(route, overrides)).toContain(message);
  });

  it('warns of a teacher that it never names, and is written out beside the ensemble', () => {
    const recipe = recipeWith({ teachers: { en: 'en', de: ['de', 'en'] } });
    expect(checkFields(recipe).warnings.map(({ text }) => text)).toEqual([
      'teachers.2: multi: ensemble.route names it nowhere; it is evaluated only',
    ]);
    expect(describeLosses(recipe).at(-1)).toBe(
      'ensemble (logits) = 0.3333 x en + 0.3333 x de + 0.3333 x multi, those that language chooses for each sample',
    );
  });
});
