import { describe, expect, it } from 'vitest';
import { exitCodes, UserError, type ExitCode } from '../../../../shared/errors.js';
import { TeacherFailure } from '../../../../worker/compute/contract.js';
import { blaming } from '../../../../worker/compute/teachers/failure.js';

describe('what goes wrong while a teacher is at work', () => {
  const failing = (isServed: boolean, exitCode: ExitCode): Promise<unknown> =>
    blaming({ name: 'deep', isServed }, async () => {
      throw new UserError('teacher deep: no answer', exitCode);
    });

  it.each([exitCodes.data, exitCodes.unavailable, exitCodes.refused])(
    'is its failure (%i), in one line',
    async (code) => {
      const failure = failing(false, code);
      await expect(failure).rejects.toBeInstanceOf(TeacherFailure);
      await expect(failure).rejects.toMatchObject({ exitCode: exitCodes.data });
    },
  );

  it.each([
    [exitCodes.usage, false],
    [exitCodes.noGpu, false],
    [exitCodes.unavailable, true],
    [exitCodes.refused, true],
  ])('is %i where others can mend it, on a server: %s', async (code, isServed) => {
    const error = failing(isServed, code);
    await expect(error).rejects.not.toBeInstanceOf(TeacherFailure);
    await expect(error).rejects.toMatchObject({ exitCode: code });
  });
});
