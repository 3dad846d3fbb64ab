import { describe, expect, it } from 'vitest';
import { jsonSchema } from '../../../shared/recipe/json-schema.js';

describe('recipe.schema.json', () => {
  // After a change of the schema: npx vitest run test/shared/recipe/json-schema.test.ts -u
  it('is what the schema gives', async () => {
    await expect(`${JSON.stringify(jsonSchema(), null, 2)}\n`).toMatchFileSnapshot(
      '../../../shared/recipe/recipe.schema.json',
    );
  });
  it('knows the keys, refuses others, and asks for what has no default', () => {
    const schema = jsonSchema();
    expect(schema).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      additionalProperties: false,
    });
    expect(schema.required).toEqual(['student', 'losses', 'data', 'optimizer', 'batch']);
    expect(schema.properties).toMatchObject({
      batch: { properties: { micro: { description: expect.stringContaining('default 32') } }, required: ['size'] },
    });
  });
});
