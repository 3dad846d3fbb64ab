/** What a sample's numbers are called: the columns that teachers are fed by name. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkSamples } from '../../../../cli/prepare/data-checks.js';
import { writeShards, type WrittenData } from '../../../../cli/prepare/shards.js';
import { openSource } from '../../../../cli/prepare/sources/chosen-source.js';
import { readRecipe } from '../../../../shared/recipe/read.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';
import type { SourceRecipe } from '../../../../shared/recipe/schema.js';
import { temporaryFolder } from '../../../worker/fakes.js';

const folder = temporaryFolder();
const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
write('ab.csv', 'a,b,label\n1,2,0\n3,4,1\n');
write('ba.csv', 'b,label,a\n2,0,1\n4,1,3\n');
write('rows.jsonl', '{"ids":[5,6,0],"text":"no number","mask":[1,1,0],"age":7,"label":1}\n');

const source = (recipe: object): SourceRecipe => sourceSchema.parse(recipe);
const written = (inputs: string): Promise<WrittenData> =>
  writeShards(source({ format: 'csv', inputs, labels: 'label' }), folder, join(folder, 'shards'), {
    shardSamples: 10,
  });

describe('the parts of a sample', () => {
  it('are the columns of a table, but for those of labels', async () => {
    const { parts } = await openSource(source({ format: 'csv', inputs: 'ba.csv', labels: 'label' }), folder);
    expect(parts).toEqual([
      { name: 'b', shape: [1] },
      { name: 'a', shape: [1] },
    ]);
  });

  it('are the columns that the recipe names, in its order, with what they hold', async () => {
    const recipe = source({ format: 'jsonl', inputs: 'rows.jsonl', column: ['mask', 'age', 'ids'], labels: 'label' });
    const found = await openSource(recipe, folder);
    expect(found.parts).toEqual([
      { name: 'mask', shape: [3] },
      { name: 'age', shape: [1] },
      { name: 'ids', shape: [3] },
    ]);
    expect([...(await found.read(0, 1))]).toEqual([1, 1, 0, 7, 5, 6, 0]);
  });

  it('may not stand in another order in the evaluation set', async () => {
    const { recipe } = readRecipe(
      'student: { builtin: mlp }\nlosses: { crossEntropy: { weight: 1 } }\ndata: { train: { format: csv, inputs: ab.csv, labels: label } }\noptimizer: { name: sgd, learningRate: 1 }\nbatch: { size: 1 }\nepochs: 1\n',
      { file: 'r.yaml' },
    );
    const [train, same, other] = [await written('ab.csv'), await written('ab.csv'), await written('ba.csv')];
    expect(() => checkSamples(recipe, { train, evaluation: same })).not.toThrow();
    expect(() => checkSamples(recipe, { train, evaluation: other })).toThrow(
      'data.eval: columns b, a; a, b wanted, the order of data.train',
    );
  });

  it('may not stand in another order in unlabelled samples', async () => {
    const labelled = source({ format: 'csv', inputs: 'ab.csv', labels: 'label' });
    const unlabelled = source({ format: 'csv', inputs: 'ba.csv', labels: 'label' });
    await expect(openSource(labelled, folder, { unlabelled })).rejects.toThrow(
      /ba\.csv: its columns are in another order; that of .*ab\.csv wanted$/,
    );
  });
});
