/** The recipe's JSON Schema (draft 2020-12), for editors: `recipe.schema.json` beside this file is its text. */
import { z } from 'zod';
import { recipeSchema } from './schema.js';

export function jsonSchema(): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(recipeSchema, { io: 'input' });
  return {
    $schema,
    title: 'Stillhouse recipe',
    description: 'A run: student, teachers, losses, data, optimizer, batch.',
    ...rest,
  };
}
