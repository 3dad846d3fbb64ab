/** What holds for every report output, and what each one makes of a run. */
import { PassThrough } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { describe, expect, it } from 'vitest';
import type { MetricsLine } from '../../../../coordinator/reports/metrics.js';
import { exitCodes, UserError } from '../../../../shared/errors.js';
import {
  silentOutput,
  type OutputPlace,
  type ReportOutput,
  type RunProgress,
  type RunStart,
} from '../../../../coordinator/reports/outputs/output.js';
import {
  joinOutputs,
  outputs,
  runOutput,
  watchedOutput,
  type Watching,
} from '../../../../coordinator/reports/outputs/outputs.js';

const names = Object.keys(outputs) as (keyof typeof outputs)[];

const begun: RunStart = {
  ...{ step: 0, totalSteps: 40, epochs: 4, closedEpochs: [], run: 'aa', generation: 1, beganMs: 5000 },
  recipe: 'name: tiny\n',
  steps: () => [],
  references: () => [],
};
const progress: RunProgress = {
  step: 10,
  totalSteps: 40,
  epoch: 0,
  epochs: 4,
  samples: 1000,
  terms: { response: 0.52341 },
  workers: 2,
  labels: () => ({ kept: 30, samples: 60 }),
};
const epochLine = (epoch: number): MetricsLine => ({
  epoch,
  step: 10 * (epoch + 1),
  samples: 60,
  loss: 0.25 / (epoch + 1),
  terms: { response: 0.5 },
  samplesPerSecond: 1234.4,
  eval: { calibrationError: 0.0312, accuracy: 0.9871, loss: 0.1 },
});
const epochs = [0, 1, 2].map(epochLine);

const asText = (content: string | Uint8Array): string => Buffer.from(content).toString('latin1');

class Rig {
  /** What was written to the stream, and into each file. */
  text = '';
  readonly files = new Map<string, string>();
  readonly folder: OutputPlace['folder'] = {
    write: async (name, content) => void this.files.set(name, content),
    append: async (name, content) => void this.files.set(name, (this.files.get(name) ?? '') + asText(content)),
    writeAlone: async (folder, name, pieces) => {
      for (const file of this.files.keys()) if (file.startsWith(`${folder}/`)) this.files.delete(file);
      this.files.set(`${folder}/${name}`, [...pieces].map(asText).join(''));
    },
  };
  nowMs = 0;

  open(name: keyof typeof outputs): ReportOutput {
    return outputs[name](this.place(false));
  }

  place(isTTY: boolean): OutputPlace {
    return {
      stream: this.stream(isTTY),
      paint: (_color, text) => text,
      run: 'tiny',
      folder: this.folder,
      nowMs: () => this.nowMs,
      everyMs: 1000,
    };
  }

  /** What watches a run on a terminal. */
  watching(more: Pick<Watching, 'isQuiet'> & Partial<Watching>): Watching {
    return { stream: this.stream(true), run: 'tiny', isJson: false, isColored: false, ...more };
  }

  stream(isTTY: boolean): WriteStream {
    const through = new PassThrough();
    through.on('data', (data: Buffer) => {
      this.text += data.toString();
    });
    // Only what the outputs and the bar use.
    return Object.assign(through, {
      isTTY,
      columns: 80,
      cursorTo: () => true,
      clearLine: () => true,
    }) as unknown as WriteStream;
  }

  /** All that was shown or kept. */
  get all(): string {
    return [this.text, ...this.files.values()].join('');
  }
}

describe.each(names)('the output %s', (name) => {
  it('takes reports in any order, and closing twice', async () => {
    const rig = new Rig();
    const output = rig.open(name);
    output.say('info', 'before the start');
    await output.start(begun);
    output.progress(progress);
    await output.epoch(epochLine(0));
    output.close();
    output.close();
    output.say('info', 'after the end');
    await output.start({ ...begun, step: 10, closedEpochs: epochs.slice(0, 1) });
    output.progress({ ...progress, step: 11, terms: {} });
    await output.end(null);
    output.close();
    const shown = rig.all;
    output.close();
    expect(rig.all).toBe(shown);
  });

  it('keeps the same of a run that was stopped and went on as of one that was not, however the first one ended', async () => {
    const [whole, resumed] = [new Rig(), new Rig()];
    const output = whole.open(name);
    await output.start(begun);
    for (const line of epochs) await output.epoch(line);
    await output.end(null);
    const first = resumed.open(name);
    await first.start(begun);
    await first.epoch(epochLine(0));
    for (const [file, content] of resumed.files) resumed.files.set(file, `${content}{"torn`);
    const second = resumed.open(name);
    await second.start({ ...begun, step: 10, closedEpochs: epochs.slice(0, 1) });
    for (const line of epochs.slice(1)) await second.epoch(line);
    await second.end(null);
    expect([...resumed.files]).toEqual([...whole.files]);
  });

  it('shows or keeps each epoch once, or is silent about all', async () => {
    const rig = new Rig();
    const output = rig.open(name);
    await output.start(begun);
    for (const line of epochs) await output.epoch(line);
    const lines = rig.all.split('\n').filter((line) => line.includes('0.9871') || line.includes('98.71 %'));
    expect(lines).toHaveLength(name === 'quiet' || name === 'events' ? 0 : 3);
  });

  it('writes whole lines', async () => {
    const rig = new Rig();
    const output = rig.open(name);
    output.say('warn', 'careful');
    for (const line of epochs) await output.epoch(line);
    if (name === 'events') expect(rig.text).toBe('');
    else expect(rig.all).toMatch(/^$|\n$/);
  });
});

describe('an output for people', () => {
  it.each([
    ['bar', 'hello\nwarning: careful\nerror: broken\n'],
    ['plain', 'hello\nwarning: careful\nerror: broken\n'],
    ['quiet', 'warning: careful\nerror: broken\n'],
  ] as const)('says lines by their level: %s', (name, text) => {
    const rig = new Rig();
    const output = rig.open(name);
    output.say('info', 'hello');
    output.say('warn', 'careful');
    output.say('error', 'broken');
    expect(rig.text).toBe(text);
  });

  it.each(['bar', 'plain'] as const)(
    'shows an epoch in one line, one that ended before its time too: %s',
    async (name) => {
      const rig = new Rig();
      const output = rig.open(name);
      await output.epoch(epochLine(0));
      await output.end({
        ...epochLine(1),
        eval: { exits: { a: 0.5, b: 0.75 }, accuracy: 0.5, exactMatch: 0.25 },
        ensemble: { agreement: 0.5, entropy: 1.2345 },
        gradientShares: { response: 0.75, crossEntropy: 0.25 },
      });
      expect(rig.text).toBe(
        [
          'epoch 1: loss 0.2500 (response 0.5000), accuracy 98.71 %, calibration error 3.12 %, 1234 samples/s\n',
          'epoch 2: loss 0.1250 (response 0.5000), token accuracy 50.00 %, exact match 25.00 % (earlier exits: a 50.00 %, b 75.00 %), agrees with the ensemble on 50.00 % (label entropy 1.23), gradient shares response 75 % crossEntropy 25 %, 1234 samples/s\n',
        ].join(''),
      );
    },
  );

  it('writes a plain line of progress now and then where there is no terminal', () => {
    const rig = new Rig();
    const output = rig.open('plain');
    output.progress({ ...progress, step: 0, samples: 0 });
    rig.nowMs = 900;
    output.progress(progress);
    rig.nowMs = 2000;
    output.progress({ ...progress, step: 20, samples: 2000 });
    expect(rig.text).toMatch(/^step 20\/40, \d+ samples\/s, response 0\.5234, 2 workers, about \d+ s left\n$/);
  });

  it('draws a bar on a terminal, and lines above it', () => {
    const rig = new Rig();
    const output = watchedOutput(rig.watching({ isQuiet: false }));
    output.progress(progress);
    const lines = /^█+░+ 10\/40 steps \| 0 samples\/s \| 2 workers \| 30 of 60 labels kept\nresponse 0.5234$/;
    expect(rig.text).toMatch(lines);
    rig.text = '';
    output.say('warn', 'careful');
    const [said, drawn] = rig.text.split('warning: careful\n');
    expect([said, drawn]).toEqual(['\r\u001b[1A\u001b[J', expect.stringMatching(lines)]);
    rig.text = '';
    output.close();
    expect(rig.text).toBe('\r\u001b[1A\u001b[J');
    output.say('warn', 'later');
    expect(rig.text).toContain('Jwarning: later\n');
  });

  it('draws it again no more often than ten times a second, but for the last step', () => {
    const rig = new Rig();
    const output = rig.open('bar');
    const drawn = (step: number): boolean => {
      rig.text = '';
      output.progress({ ...progress, step });
      return rig.text.includes(`${step}/40 steps`);
    };
    expect(drawn(1)).toBe(true);
    rig.nowMs = 99;
    expect(drawn(2)).toBe(false);
    expect(drawn(40)).toBe(true);
    rig.nowMs = 200;
    expect(drawn(3)).toBe(true);
  });

  it('has colours where they are wanted', () => {
    const rig = new Rig();
    const output = watchedOutput(rig.watching({ isQuiet: false, isColored: true }));
    output.say('error', 'broken');
    output.progress(progress);
    expect(rig.text).toContain('\u001b[31merror: \u001b[0mbroken\n');
    expect(rig.text).toContain('\u001b[36m█');
  });

  it('is silent but for warnings when quiet, on a terminal too', () => {
    const rig = new Rig();
    const output = watchedOutput(rig.watching({ isQuiet: true }));
    output.say('info', 'hello');
    output.progress(progress);
    output.say('warn', 'careful');
    expect(rig.text).toBe('warning: careful\n');
  });
});

describe('lines of JSON', () => {
  const linesOf = (rig: Rig): unknown[] =>
    rig.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);

  it('say what, of which run and at which step, whatever the text holds', async () => {
    const rig = new Rig();
    const output = rig.open('json');
    rig.nowMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
    output.say('warn', 'two\nlines, "quoted" \u001b[31m');
    await output.start({ ...begun, step: 10 });
    output.say('error', 'broken');
    const common = { time: '2026-01-02T03:04:05.678Z', run: 'tiny' };
    expect(linesOf(rig)).toEqual([
      { ...common, level: 'warn', msg: 'two\nlines, "quoted" \u001b[31m' },
      { ...common, level: 'error', step: 10, msg: 'broken' },
    ]);
    expect(rig.text).not.toContain('\u001b');
  });

  it('have progress now and then, and the figures of each epoch', async () => {
    const rig = new Rig();
    const output = rig.open('json');
    output.progress({ ...progress, step: 0, samples: 0 });
    rig.nowMs = 2000;
    output.progress({ ...progress, step: 20, samples: 2000 });
    await output.epoch(epochLine(1));
    const [shown, epoch] = linesOf(rig);
    expect(shown).toMatchObject({ level: 'info', step: 20, totalSteps: 40, workers: 2, terms: { response: 0.52341 } });
    expect(epoch).toMatchObject({ ...epochLine(1), run: 'tiny', level: 'info' });
  });

  it('are written to a terminal, too, and warnings alone when quiet', () => {
    const rig = new Rig();
    const output = watchedOutput(rig.watching({ isQuiet: true, isJson: true }));
    output.say('info', 'hello');
    output.progress(progress);
    output.say('warn', 'careful');
    expect(linesOf(rig)).toMatchObject([{ level: 'warn', msg: 'careful' }]);
  });
});

describe('metrics.jsonl', () => {
  it('has a line of JSON for each epoch that was trained to its end', async () => {
    const rig = new Rig();
    const output = rig.open('metrics');
    await output.start({ ...begun, closedEpochs: epochs.slice(0, 2) });
    output.progress(progress);
    await output.end(epochLine(2));
    expect([...rig.files]).toEqual([
      [
        'metrics.jsonl',
        epochs
          .slice(0, 2)
          .map((line) => `${JSON.stringify(line)}\n`)
          .join(''),
      ],
    ]);
  });
});

describe('the outputs of a run', () => {
  it('are told everything, each, and fail when one cannot keep what it has to', async () => {
    const [first, second] = [new Rig(), new Rig()];
    const both = joinOutputs([first.open('plain'), runOutput(second.open('plain'), second.place(false).folder)]);
    both.say('warn', 'careful');
    await both.start(begun);
    await both.epoch(epochLine(0));
    await both.end(epochLine(1));
    expect(second.text).toBe(first.text);
    expect(second.files.get('metrics.jsonl')).toBe(`${JSON.stringify(epochs[0])}\n`);
    const full = {
      ...second.folder,
      append: async () => {
        throw new UserError('disk full', exitCodes.unavailable);
      },
    };
    await expect(runOutput(first.open('quiet'), full).epoch(epochLine(0))).rejects.toThrow('disk full');
  });

  it('end no run by a bug of one of them: it is said, and the others are told everything', async () => {
    const rig = new Rig();
    const broken = new Error('a number that cannot be shown');
    let asked = 0;
    const fails = (): never => {
      asked++;
      throw broken;
    };
    const output = joinOutputs([
      { ...silentOutput, step: fails, progress: fails, epoch: fails, end: async () => fails() },
      runOutput(rig.open('plain'), rig.folder),
    ]);
    await output.start(begun);
    for (const [step, loss] of [1e40, 1e100, -1e100, Infinity, NaN].entries())
      output.step({
        ...{ step: step + 1, epoch: 0, atMs: 1, loss, terms: { mse: loss }, learningRate: 1, samplesPerSecond: 0 },
      });
    output.progress(progress);
    await output.epoch({ ...epochLine(0), loss: 1e40 });
    await output.end({ ...epochLine(1), loss: 1e100 });
    expect(asked).toBe(1);
    expect(rig.text.match(/given up/g)).toHaveLength(1);
    expect(rig.text).toContain('warning: a report of the run is given up: a number that cannot be shown\n');
    expect(rig.text).toMatch(/epoch 1: loss 1.000e\+40/);
    expect(rig.files.get('metrics.jsonl')).toContain('"loss":1e+40');
    await output.start(begun);
    output.progress(progress);
    expect(asked).toBe(2);
  });
});
