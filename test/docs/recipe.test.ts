/** docs/recipe.md is what the recipe's schema gives. */
import { describe, expect, it } from 'vitest';
import { jsonSchema } from '../../shared/recipe/json-schema.js';
import { recipeReference, type JsonSchema } from './recipe-reference.js';

const intro = `# The recipe

A recipe is a YAML file that describes a run. Paths in it are relative to its own folder. Unknown keys are refused, with the line and
the nearest key that exists. \`stillhouse validate RECIPE\` checks recipe, data and models; \`stillhouse init\` writes a recipe to
begin with. Every key may be set on the command line: \`--set data.train.limit=4000\`. YAML's anchors and merge keys may be used:
\`train: &train { ... }\` and \`eval: { <<: *train, inputs: eval.csv }\`.

An editor that knows JSON Schema completes and checks recipes. The schema is \`stillhouse/recipe.schema.json\` of the installed package, and
\`shared/recipe/recipe.schema.json\` of a checkout. With the YAML language server the first line of a recipe says where it is:

\`\`\`yaml
# yaml-language-server: $schema=node_modules/stillhouse/dist/recipe.schema.json
\`\`\`

Loss terms and their options are in [losses.md](losses.md). A \`weight\` or a \`temperature\` may change in a run; it is then a schedule such as
\`{ from: 4, to: 1, over: linear, start: 100, steps: 500 }\`.

These tables are written from the schema: \`npx vitest run test/docs/recipe.test.ts -u\`.
`;

describe('docs/recipe.md', () => {
  it('is what the schema gives', async () => {
    await expect(recipeReference(jsonSchema() as JsonSchema, intro)).toMatchFileSnapshot('../../docs/recipe.md');
  });
});
