/**
 * Small JSON files of the run folder under a seal: their last key, `seal`, is the SHA-256 of the run's id and of all the
 * text before it. A file that was changed, or that is another run's, does not fit its seal. Files of earlier versions
 * have none, and are read by their schema alone, which then takes no other key than its own. Pure.
 */
import type { z } from 'zod';
import { sha256Of } from '../../shared/sha256.js';

const sealed = /^([^]*),(\s*)"seal":( ?)"([0-9a-f]{64})"(\s*)}\n$/;

/**
 * The text of a sealed file.
 *
 * @param value what the file says; it has at least one key
 * @param run the id of the run that the file is of
 * @param indent spaces by which each level is set in; absent: all is in one line
 */
export function sealedText(value: object, run: string, indent?: number): string {
  const body = JSON.stringify(value, null, indent).slice(0, -1).trimEnd();
  const [before, after] = indent === undefined ? ['', ''] : [`\n${' '.repeat(indent)}`, '\n'];
  const colon = indent === undefined ? ':' : ': ';
  return `${body},${before}"seal"${colon}"${sealOf(body, run)}"${after}}\n`;
}

/**
 * What a sealed file says.
 *
 * @param run the id of the run that the file is to be of; from a function, of the run that the content names
 * @throws Error when the file is not what was written, or another run's
 */
export function readSealed<T>(
  text: string,
  schema: z.ZodObject & z.ZodType<T>,
  run: string | ((content: T) => string),
): T {
  const [, body, before, colon, seal, after] = sealed.exec(text) ?? [];
  if (body === undefined) return schema.strict().parse(JSON.parse(text)) as T;
  const content = schema.parse(JSON.parse(`${body}}`));
  const name = typeof run === 'string' ? run : run(content);
  if (seal !== sealOf(body, name)) throw new Error('it does not fit its seal');
  const isIndented = colon === ' ';
  const isAsWritten = isIndented ? /^\n +$/.test(before ?? '') && after === '\n' : before === '' && after === '';
  if (!isAsWritten) throw new Error('it is not as it was written');
  return content;
}

function sealOf(body: string, run: string): string {
  return sha256Of(`${run}\n${body}`);
}
