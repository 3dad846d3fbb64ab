/** The kinds of fields that messages of both protocols are made of. */
import { z } from 'zod';
import { isPrintable, printable } from '../printable.js';

/** Longest name, in characters. */
export const nameLength = 256;

/** Names are compared and looked up, so one that could not be shown as it is is refused. */
export const name = z.string().max(nameLength).refine(isPrintable, 'a name with control characters');
/** What is only shown: to users, in logs. */
export const said = z
  .string()
  .max(1024)
  .transform((text) => printable(text));
/** Cuts off what `said` would refuse. */
export function fitToSay(text: string): string {
  return printable(text, 1000).slice(0, 1000);
}
export const count = z.number().int().nonnegative();
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
