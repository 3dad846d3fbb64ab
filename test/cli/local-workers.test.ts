/** How a coordinator's work and its local workers end together; the workers are fakes. */
import { describe, expect, it } from 'vitest';
import { besideWorkers, type Beside, type StartWorkers } from '../../cli/local-workers.js';
import type { LocalWorkers } from '../../coordinator/workers/local-workers.js';

class FakeWorkers {
  readonly ports: number[] = [];
  readonly closes: number[] = [];
  lose: (error: Error) => void = () => undefined;

  readonly start: StartWorkers = (port) => {
    this.ports.push(port);
    const failed = new Promise<Error>((resolve) => {
      this.lose = resolve;
    });
    const whenLost = (): Promise<never> => failed.then((error) => Promise.reject(error));
    const workers = { whenLost, close: async (ms: number) => void this.closes.push(ms) };
    return workers as unknown as LocalWorkers;
  };
}

describe('besideWorkers', () => {
  it('starts every kind once, when the coordinator listens, and gives them time to end by themselves', async () => {
    const [trainers, labellers] = [new FakeWorkers(), new FakeWorkers()];
    const result = await besideWorkers([trainers.start, labellers.start], async ({ start }) => {
      expect(trainers.ports).toEqual([]);
      start(7);
      start(8);
      return 'done';
    });
    expect(result).toBe('done');
    expect([trainers.ports, labellers.ports]).toEqual([[7], [7]]);
    expect([trainers.closes[0], labellers.closes[0]]).toEqual([5000, 5000]);
  });

  it('ends them soon when the work fails', async () => {
    const workers = new FakeWorkers();
    const failing = besideWorkers([workers.start], async ({ start }) => {
      start(7);
      throw new Error('no disk');
    });
    await expect(failing).rejects.toThrow('no disk');
    expect(workers.closes).toEqual([2000]);
  });

  it('tells the work when the first kind is lost, and not when another is', async () => {
    const [trainers, labellers] = [new FakeWorkers(), new FakeWorkers()];
    const lost = besideWorkers([trainers.start, labellers.start], ({ start, lost: reason }) => {
      start(7);
      labellers.lose(new Error('no labellers'));
      trainers.lose(new Error('no trainers'));
      return reason;
    });
    await expect(lost).rejects.toThrow('no trainers');
  });

  it('tells the work when any kind is lost that it needs', async () => {
    const [trainers, labellers] = [new FakeWorkers(), new FakeWorkers()];
    const waiting = ({ start, lost: reason }: Beside): Promise<never> => {
      start(7);
      labellers.lose(new Error('no labellers'));
      return reason;
    };
    await expect(besideWorkers([trainers.start, labellers.start], waiting, 2)).rejects.toThrow('no labellers');
  });

  it('needs no workers, where others join', async () => {
    expect(
      await besideWorkers([], async ({ start }) => {
        start(7);
        return 1;
      }),
    ).toBe(1);
  });
});
