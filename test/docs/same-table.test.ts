/** What CI takes for the README's table: the program that .ci/run holds an example's end against. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../worker/fakes.js';

const program = fileURLToPath(new URL('../../.ci/same-table.mjs', import.meta.url));

const shown = [
  '  model               parameters  accuracy',
  '  ------------------  ----------  --------',
  '  student alone            9,098   93.95 %',
  '  student, distilled       9,098   98.02 %',
  '  teacher deep           217,770   99.65 %',
];

/** Exit code and lines for a log that ends with these lines instead. */
function compared(found: readonly string[], readme: readonly string[] = shown): [number | null, string] {
  const folder = temporaryFolder();
  const [readmeFile, log] = [join(folder, 'README.md'), join(folder, 'start.log')];
  writeFileSync(readmeFile, ['# A title', ...readme, 'text'].join('\n'));
  writeFileSync(log, ['epoch 1 of 6: 98.5 %', ...found, '942 steps'].join('\n'));
  const { status, stdout } = spawnSync(process.execPath, [program, readmeFile, log], { encoding: 'utf8' });
  return [status, stdout];
}

const changed = (from: string, to: string): string[] => shown.map((line) => line.replace(from, to));

describe('the table of an example', () => {
  it.each([
    ['the same', shown],
    ['half a point less', changed('98.02', '97.52')],
    ['half a point more', changed('98.02', '98.52')],
  ])('is that of the README where it is %s', (_what, found) => {
    expect(compared(found)).toEqual([0, '']);
  });

  it.each([
    [
      'more than half a point less',
      changed('98.02', '97.51'),
      'student, distilled, 9,098 parameters: 97.51 %; the README shows 98.02 %\n',
    ],
    [
      'more than half a point more',
      changed('93.95', '94.46'),
      'student alone, 9,098 parameters: 94.46 %; the README shows 93.95 %\n',
    ],
    [
      'other parameters',
      changed('217,770', '217,771'),
      'the README does not show teacher deep, 217,771 parameters\nthe example did not end with teacher deep, 217,770 parameters\n',
    ],
    [
      'another name',
      changed('student alone', 'pupil alone  '),
      'the README does not show pupil alone, 9,098 parameters\nthe example did not end with student alone, 9,098 parameters\n',
    ],
    ['a row less', shown.slice(0, -1), 'the example did not end with teacher deep, 217,770 parameters\n'],
    [
      'a row more',
      [...shown, '  ensemble               556,126   99.38 %'],
      'the README does not show ensemble, 556,126 parameters\n',
    ],
  ])('is another where it has %s', (_what, found, said) => {
    expect(compared(found)).toEqual([1, said]);
  });

  it('is there', () => {
    expect(compared(shown, ['no table'])[0]).toBe(1);
    expect(compared([])[0]).toBe(1);
  });
});
