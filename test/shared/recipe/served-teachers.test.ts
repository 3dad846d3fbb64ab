/** What the recipe says of teachers on servers, and of where a teacher's model is. */
import { describe, expect, it } from 'vitest';
import { checkFields } from '../../../shared/recipe/check.js';
import { recipeSchema } from '../../../shared/recipe/schema.js';

const url = 'https://far/v2/models/wide';

function errorsOf(teacher: Record<string, unknown>, overrides: Record<string, unknown> = {}): string[] {
  const recipe = recipeSchema.parse({
    student: { builtin: 'mlp' },
    teachers: [{ name: 'a', ...teacher }],
    losses: { response: { weight: 1 } },
    labels: { wait: true },
    optimizer: { name: 'sgd', learningRate: 0.1 },
    batch: { size: 8 },
    epochs: 1,
    data: { train: { format: 'idx', images: 'x', labels: 'y' } },
    ...overrides,
  });
  return checkFields(recipe).problems.map(({ text }) => text);
}

describe('a teacher on a server', () => {
  it.each([
    [{ url, protocol: 'kserve-v2', request: { retries: 0 } }],
    [{ url: 'http://127.0.0.1:8000/v2/models/wide' }],
    [{ url: 'http://far/v2/models/wide', request: { plainHttp: true } }],
  ])('is taken: %j', (teacher) => {
    expect(errorsOf(teacher)).toEqual([]);
  });

  it.each([
    [{}, {}, 'teachers.0: neither model nor url given; one of the two wanted'],
    [{ url, model: 'a.onnx' }, {}, 'teachers.0.url: given beside model; one of the two wanted'],
    [{ model: 'a.onnx', request: {} }, {}, 'teachers.0.request: given without url; none wanted'],
    [{ model: 'a.onnx', protocol: 'kserve-v2' }, {}, 'teachers.0.protocol: given without url; none wanted'],
    [
      { url: 'https://far' },
      {},
      'teachers.0.url: "https://far" given: https://HOST/v2/models/NAME wanted, or that with /versions/VERSION',
    ],
    [
      { url: 'http://far/v2/models/wide' },
      {},
      'teachers.0.url: "http://far/v2/models/wide" given, which others can listen to; https:// wanted, or request.plainHttp: true',
    ],
    [{ url, sha256: 'a'.repeat(64) }, {}, 'teachers.0.sha256: given beside url; none wanted, since there is no file'],
    [
      { url },
      { labels: {} },
      'teachers.0.url: given without labels.wait; labels: { wait: true } wanted, since workers with --role label alone ask a server',
    ],
    [
      { url },
      { losses: { features: { weight: 1, pairs: [{ student: 'b', teacher: 'a/c' }] } } },
      'teachers.0.url: given beside losses.features, which compares with inner values; a model in a file wanted',
    ],
  ])('is refused: %j beside %j', (teacher, overrides, message) => {
    expect(errorsOf(teacher, overrides)).toContain(message);
  });
});
