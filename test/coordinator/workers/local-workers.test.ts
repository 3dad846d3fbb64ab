import { afterEach, describe, expect, it } from 'vitest';
import {
  LocalWorkers,
  type LocalWorkersOptions,
  type WorkerFailure,
} from '../../../coordinator/workers/local-workers.js';

const open: LocalWorkers[] = [];
afterEach(() => Promise.all(open.splice(0).map((workers) => workers.close(0))));

/** Two processes; `script` sees its number as I. */
function start(script: string, options: Partial<LocalWorkersOptions> = {}): LocalWorkers {
  const workers = new LocalWorkers({
    command: [process.execPath, '-e', `const I = process.env.I; ${script}`],
    url: 'ws://127.0.0.1:1',
    token: '',
    count: 2,
    arguments: [],
    environment: (i) => ({ I: String(i) }),
    onLine: () => undefined,
    stopMs: 1,
    ...options,
  });
  open.push(workers);
  return workers;
}

describe('LocalWorkers', () => {
  it('is lost when the last one ended, with the first failure', async () => {
    const script = `setTimeout(() => { console.error(I === '0' ? 'stillhouse: early' : 'late'); process.exit(I === '0' ? 65 : 2); }, I === '0' ? 0 : 300)`;
    await expect(start(script).whenLost()).rejects.toMatchObject({ name: 'UserError', exitCode: 65, message: 'early' });
  });

  it('names the first one that failed when all are lost, with what it said last in whole lines, cut by the pipe or not', async () => {
    const failures: WorkerFailure[] = [];
    const script = `
      const say = (text) => require('fs').writeSync(2, text);
      if (I === '1') { say('one, in t'); setTimeout(() => { say('wo\\nstillhouse: broken\\n  at there'); process.exit(65); }, 50); }
      else setTimeout(() => { say('late'); process.exit(2); }, 400);`;
    const onFirstFailure = (failure: WorkerFailure): void => void failures.push(failure);
    await expect(start(script, { onFirstFailure }).whenLost()).rejects.toMatchObject({ message: 'broken' });
    expect(failures).toEqual([{ worker: 2, code: 65, lines: ['one, in two', 'stillhouse: broken', '  at there'] }]);
  });

  it('is not lost when one was told that the work is done, whatever became of the other', async () => {
    const workers = start(`process.exit(I === '0' ? 65 : 0)`);
    const lost = workers.whenLost().then(
      () => 'lost',
      () => 'lost',
    );
    while (workers.pids().length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await Promise.race([lost, new Promise((resolve) => setTimeout(() => resolve('done'), 50))])).toBe('done');
  });

  it('is lost with 75 when they were stopped and the coordinator was not', async () => {
    await expect(start('process.exit(75)').whenLost()).rejects.toMatchObject({
      exitCode: 75,
      message: 'every local worker ended',
    });
  });

  it('tells the one that it starts in the place of another by what that was killed, and what it said last', async () => {
    const lines: string[] = [];
    const script = `const told = process.env.STILLHOUSE_KILLED;
      if (told !== undefined) { console.error(told); process.exit(65); }
      require('fs').writeSync(2, 'out of breath\\n'); process.kill(process.pid, 'SIGKILL');`;
    const lost = start(script, { count: 1, onLine: (line) => void lines.push(line) }).whenLost();
    await expect(lost).rejects.toMatchObject({ exitCode: 65 });
    expect(lines.at(-1)).toBe('{"signal":"SIGKILL","lines":["out of breath"]}');
  });

  it('starts one again that was killed, and not for ever', async () => {
    await expect(start(`process.kill(process.pid, 'SIGKILL')`).whenLost()).rejects.toMatchObject({
      message: expect.stringMatching(
        /^every local worker was killed, and again after each of 3 new starts; .* run again to continue$/,
      ),
      exitCode: 69,
    });
  });

  it('starts one again for as long as it is killed only now and then', async () => {
    let starts = 0;
    const many = new Promise<void>((resolve) => {
      start(`setTimeout(() => process.kill(process.pid, 'SIGKILL'), 30)`, {
        count: 1,
        forgetMs: 20,
        onLine: () => ++starts === 6 && resolve(),
      });
    });
    await many;
  });
});
