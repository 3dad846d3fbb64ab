import { describe, expect, it } from 'vitest';
import { workerPerGpu } from '../../worker/worker-per-gpu.js';

/** A program in place of a worker. */
const program = (text: string): string[] => [process.execPath, '-e', text];

async function start(
  text: string,
  gpus: readonly number[],
  stopAfter = Infinity,
): Promise<{ code: number; lines: string[] }> {
  const lines: string[] = [];
  const stop = new AbortController();
  const log = (line: string): void => void (lines.push(line) === stopAfter && stop.abort('SIGTERM'));
  const code = await workerPerGpu({ gpus, command: program(text), stop: stop.signal, log });
  return { code, lines: lines.sort() };
}

describe('a worker for each GPU', () => {
  it('sees its own device alone', async () => {
    expect(await start('console.error(process.env.CUDA_VISIBLE_DEVICES)', [0, 3])).toEqual({
      code: 0,
      lines: ['gpu 0: 0', 'gpu 3: 3'],
    });
  });

  it('gives its exit code to all where it fails', async () => {
    expect((await start('process.exit(process.env.CUDA_VISIBLE_DEVICES === "1" ? 79 : 0)', [0, 1, 2])).code).toBe(79);
  });

  it('is told of a stop', async () => {
    const ended = start(
      'process.on("SIGTERM", () => process.exit(75)); setInterval(() => undefined, 1000); console.error("up")',
      [0, 1],
      2,
    );
    expect(await ended).toEqual({ code: 75, lines: ['gpu 0: up', 'gpu 1: up'] });
  });
});
