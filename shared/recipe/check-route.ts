/** Checks of `ensemble.route`, which chooses the teachers of a sample by a column of the data. Pure. */
import { at, when, type Finding } from './finding.js';
import type { Recipe } from './schema.js';
import { placeOf, termsIn } from './terms.js';

const path = ['ensemble', 'route'];

/** The formats whose samples have no columns. */
const withoutColumns: readonly string[] = ['idx', 'npy', 'folder'];

/** The most groups of teachers, since a sample keeps the number of its group in a byte. */
const mostGroups = 256;

export function routeProblems(recipe: Recipe): Finding[] {
  const { route } = recipe.ensemble;
  if (route === undefined) return [];
  const ways = Object.entries(route.teachers ?? {});
  return [
    ...sourceProblems(recipe),
    ...ways.flatMap(([value, given]) => nameProblems(recipe, [given].flat(), [...path, 'teachers', value])),
    ...(route.otherwise === undefined ? [] : nameProblems(recipe, [route.otherwise].flat(), [...path, 'otherwise'])),
    ...when(
      ways.length >= mostGroups,
      [...path, 'teachers'],
      `${ways.length} values given; at most ${mostGroups - 1} wanted`,
    ),
    ...otherRules(recipe),
  ];
}

function sourceProblems({ data }: Recipe): Finding[] {
  return (['train', 'eval', 'unlabelled'] as const).flatMap((name) => {
    const format = data[name]?.format ?? '';
    return when(
      withoutColumns.includes(format),
      [...path, 'column'],
      `given beside data.${name} of format ${format}, which has no columns; csv, jsonl, parquet, arrow, tfrecord or webdataset wanted`,
    );
  });
}

function nameProblems({ teachers }: Recipe, given: readonly string[], place: readonly (string | number)[]): Finding[] {
  const names = teachers.map(({ name }) => name);
  const unknown = given.filter((name) => !names.includes(name));
  const sharing = teachers.filter(({ name, weight }) => given.includes(name) && weight > 0);
  return [
    ...unknown.map((name) => at(place, `"${name}" is no teacher; one of ${names.join(', ')} wanted`)),
    ...when(
      unknown.length === 0 && sharing.length === 0,
      place,
      `${given.join(', ')} given, of weight 0; a teacher with a weight above 0 wanted`,
    ),
  ];
}

/** What else says who labels a sample, or needs every teacher of every sample. */
function otherRules({ teachers, ensemble, losses, labels, data }: Recipe): Finding[] {
  const specialist = teachers.find((teacher) => teacher.specialist !== undefined);
  const both = 'one of the two wanted';
  return [
    ...when(ensemble.subset !== undefined, path, `given beside ensemble.subset; ${both}`),
    ...when(specialist !== undefined, path, `given beside the specialist ${specialist?.name ?? ''}; ${both}`),
    ...when(
      ensemble.onFailure === 'drop',
      path,
      'given beside ensemble.onFailure: drop, after which some samples could have no teacher; stop wanted',
    ),
    ...when(labels.from !== undefined, path, `given beside labels.from, whose labels are of no teacher here; ${both}`),
    ...when(
      data.augment?.mixup !== undefined,
      path,
      `given beside data.augment.mixup, whose samples are of two ways; ${both}`,
    ),
    ...termsIn(losses)
      .filter(({ needsTeacherTaps }) => needsTeacherTaps)
      .map(({ name }) =>
        at(path, `given beside ${placeOf(name).join('.')}, which compares every sample with a teacher; ${both}`),
      ),
  ];
}

/** Teachers that no sample is labelled by. */
export function routeWarnings({ teachers, ensemble: { route } }: Recipe): Finding[] {
  if (route?.teachers === undefined) return [];
  const named = new Set([...Object.values(route.teachers), route.otherwise ?? []].flat());
  return teachers.flatMap(({ name }, i) =>
    when(!named.has(name), ['teachers', i], `${name}: ensemble.route names it nowhere; it is evaluated only`),
  );
}
