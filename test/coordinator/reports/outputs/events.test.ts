/** TensorBoard's event files, read back by a reader of their own. */
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../../shared/crc32c.js';
import type { MetricsLine } from '../../../../coordinator/reports/metrics.js';
import { eventsOutput } from '../../../../coordinator/reports/outputs/events.js';
import type { RunStart } from '../../../../coordinator/reports/outputs/output.js';
import { stepsIn, type ReportedSteps, type StepReport } from '../../../../coordinator/reports/steps.js';
import { mustAt } from '../../../../shared/must.js';
import type { JournalLine } from '../../../../coordinator/store/journal.js';
import { fieldsOf, readEvents, type ReadEvent } from './read-events.js';

const run: ReportedSteps = {
  optimizer: { learningRate: 0.5, schedule: { name: 'constant', warmupSteps: 2 } },
  totalSteps: 4,
  weightsAt: (step) => ({ response: step === 0 ? 2 : 3 }),
};

const commit = (step: number): JournalLine => ({
  ...{ type: 'commit', generation: 1, atMs: 1000 * (step + 1), step, unit: step, epoch: step >> 1 },
  ...{ from: 0, to: 8, samples: 8, loss: { response: 8 * (step + 1) }, counts: { response: 8 }, sums: {}, digest: 'd' },
});
const began: JournalLine = { type: 'generation', generation: 1, atMs: 500, step: 0 };
const reports = [...stepsIn([began, commit(0), commit(1), commit(2), commit(3)], run)];

const epoch = (number: number): MetricsLine => ({
  ...{ epoch: number, step: 2 * (number + 1), samples: 16, loss: 0.5, terms: { response: 0.25 }, samplesPerSecond: 8 },
  eval: { accuracy: 0.75, loss: 0.125, exits: { early: 0.5 } },
});

const start = (steps: readonly StepReport[], more: Partial<RunStart> = {}): RunStart => ({
  ...{ step: steps.length, totalSteps: 4, epochs: 2, closedEpochs: [], run: 'aa', generation: 1, beganMs: 500 },
  recipe: 'name: tiny\nbaseline: true\noptimizer: { learningRate: 0.5 }\ndigests: { recipe: ee }\n',
  steps: () => steps,
  references: () => [{ name: 'teacher wide', value: 0.875 }],
  ...more,
});

/** A run's folder in memory, which fails from some write on. */
class Folder {
  readonly files = new Map<string, Buffer>();
  isFull = false;
  appends = 0;
  readonly write = async (): Promise<void> => undefined;
  readonly append = async (name: string, content: string | Uint8Array): Promise<void> => {
    if (this.isFull) throw new Error('disk full');
    this.appends++;
    this.files.set(name, Buffer.concat([this.files.get(name) ?? Buffer.alloc(0), Buffer.from(content)]));
  };
  readonly writeAlone = async (folder: string, name: string, pieces: Iterable<Uint8Array>): Promise<void> => {
    this.files.clear();
    this.files.set(`${folder}/${name}`, Buffer.concat([...pieces]));
  };

  get events(): ReadEvent[] {
    return [...this.files.values()].flatMap(readEvents);
  }

  /** Step and value of each point of a line. */
  points(tag: string): [step: number, value: number | undefined][] {
    return this.events.flatMap(({ step, values }) =>
      values.filter((value) => value.tag === tag).map(({ number }): [number, number | undefined] => [step, number]),
    );
  }
}

describe('the reports of steps', () => {
  it('have the weighted total, the learning rate of the step, and a pace that a pause does not lower', () => {
    const paused: JournalLine = { type: 'generation', generation: 2, atMs: 1e7, step: 3 };
    const later = { ...commit(3), atMs: 1e7 + 1000 };
    const found = [...stepsIn([began, commit(0), commit(1), commit(2), paused, later], run)];
    expect(found.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
    expect(found.map(({ loss }) => loss)).toEqual([2, 6, 9, 12]);
    expect(found.map(({ learningRate }) => learningRate)).toEqual([0.25, 0.5, 0.5, 0.5]);
    expect(found.map(({ samplesPerSecond }) => samplesPerSecond)).toEqual([0, 8, 8, 0]);
  });
});

describe('event files', () => {
  it('have the checksum of RFC 3720', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
  });

  it('begin with version, restart, recipe and hyperparameters', async () => {
    const folder = new Folder();
    await eventsOutput({ folder, nowMs: () => 0 }).start(start([]));
    expect([...folder.files.keys()]).toEqual(['events/events.out.tfevents.0000000001.stillhouse']);
    const [version, restart, recipe, hparams] = folder.events;
    expect(version).toMatchObject({ version: 'brain.Event:2', step: 0, wallTime: 0.5 });
    expect(restart).toMatchObject({ session: 1, step: 0 });
    expect(recipe?.values).toMatchObject([{ tag: 'recipe', plugin: 'text' }]);
    expect(recipe?.values[0]?.text).toMatch(/^ {4}name: tiny\n {4}baseline: true\n/);
    expect(hparams?.values).toMatchObject([{ tag: '_hparams_/session_start_info', plugin: 'hparams' }]);
    const session = fieldsOf(hparams?.values[0]?.content ?? Buffer.alloc(0)).get(3)?.[0] as Buffer;
    const keys = (fieldsOf(session).get(1) ?? []).map((entry) => String(fieldsOf(entry as Buffer).get(1)?.[0]));
    expect(keys).toEqual(['name', 'baseline', 'optimizer.learningRate']);
  });

  it('have a point for each step, and for each epoch the figures of all models', async () => {
    const folder = new Folder();
    const output = eventsOutput({ folder, nowMs: () => 0 });
    await output.start(start([]));
    for (const report of reports.slice(0, 2)) output.step(report);
    await output.epoch(epoch(0));
    await output.end({ ...epoch(1), eval: { r2: 0.5 } });
    expect(folder.points('loss/total')).toEqual([
      [1, 2],
      [2, 6],
    ]);
    expect(folder.points('loss/response')).toEqual([
      [1, 1],
      [2, 2],
    ]);
    expect(folder.points('optimizer/learningRate')).toEqual([
      [1, 0.25],
      [2, 0.5],
    ]);
    expect(folder.points('speed/samplesPerSecond')).toEqual([[2, 8]]);
    expect(folder.points('accuracy/student')).toEqual([[2, 0.75]]);
    expect(folder.points('accuracy/teacher wide')).toEqual([[2, 0.875]]);
    expect(folder.points('exits/early')).toEqual([[2, 0.5]]);
    expect(folder.points('R2/student')).toEqual([[4, 0.5]]);
    expect(folder.events.find(({ values }) => values[0]?.tag === 'epoch/loss')?.wallTime).toBe(2);
  });

  it('have infinity for what is too large for float32, as the loss of a run that diverges', async () => {
    const folder = new Folder();
    const output = eventsOutput({ folder, nowMs: () => 0 });
    await output.start(start(reports.slice(0, 1).map((report) => ({ ...report, loss: 1e40 }))));
    output.step({ ...mustAt(reports, 1, 'report'), loss: -1e100, terms: { mse: 1e100 } });
    await output.end({ ...epoch(0), loss: 1e40 });
    expect(folder.points('loss/total')).toEqual([
      [1, Infinity],
      [2, -Infinity],
    ]);
    expect(folder.points('loss/mse')).toEqual([[2, Infinity]]);
    expect(folder.points('epoch/loss')).toEqual([[2, Infinity]]);
  });

  it('are the same of a run that was killed at any step and went on, but for their name', async () => {
    const whole = new Folder();
    const output = eventsOutput({ folder: whole, nowMs: () => 0 });
    await output.start(start([]));
    for (const [i, report] of reports.entries()) {
      output.step(report);
      if (i % 2 === 1) await output.epoch(epoch(i >> 1));
    }
    await output.end(null);
    for (let killed = 0; killed <= 4; killed++) {
      const folder = new Folder();
      folder.files.set('events/events.out.tfevents.0000000001.stillhouse', Buffer.from('what a kill left'));
      const resumed = eventsOutput({ folder, nowMs: () => 0 });
      const closedEpochs = [0, 1].slice(0, killed >> 1).map(epoch);
      await resumed.start(start(reports.slice(0, killed), { closedEpochs, generation: 2 }));
      for (const [i, report] of reports.entries()) {
        if (i < killed) continue;
        resumed.step(report);
        if (i % 2 === 1) await resumed.epoch(epoch(i >> 1));
      }
      await resumed.end(null);
      expect([...folder.files.keys()]).toEqual(['events/events.out.tfevents.0000000002.stillhouse']);
      expect([...folder.files.values()]).toEqual([...whole.files.values()]);
    }
  });

  it('are written now and then, and at the end; a disk that takes no more ends the run with its next epoch', async () => {
    const folder = new Folder();
    let nowMs = 0;
    const output = eventsOutput({ folder, nowMs: () => nowMs });
    await output.start(start([]));
    for (const report of reports.slice(0, 3)) output.step(report);
    nowMs = 1000;
    output.step(mustAt(reports, 3, 'report'));
    await output.over('stopped');
    expect(folder.points('loss/total').map(([step]) => step)).toEqual([1, 2, 3, 4]);
    expect(folder.appends).toBe(2);
    await output.over('stopped');
    expect(folder.appends).toBe(2);
    folder.isFull = true;
    nowMs = 2000;
    output.step(mustAt(reports, 3, 'report'));
    await expect(output.epoch(epoch(1))).rejects.toThrow('disk full');
    await expect(output.over('failed')).resolves.toBeUndefined();
  });

  it("get nothing more of a coordinator that failed: the folder may be its successor's", async () => {
    const folder = new Folder();
    const output = eventsOutput({ folder, nowMs: () => 0 });
    await output.start(start([]));
    for (const report of reports.slice(0, 2)) output.step(report);
    await output.over('failed');
    expect([folder.points('loss/total'), folder.appends]).toEqual([[[1, 2]], 1]);
  });
});
