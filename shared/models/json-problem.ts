/** What is wrong with a file of JSON, in words. Pure. */
import type { z } from 'zod';

/** The first thing that a schema finds wrong. */
export function problemIn({ issues: [issue] }: z.ZodError): string {
  const path = issue?.path.join('.') ?? '';
  if (issue?.code === 'invalid_type' && issue.message.endsWith(' received undefined')) return `it has no ${path}`;
  return path === '' ? 'it is of another kind' : `its ${path} is of another kind`;
}
