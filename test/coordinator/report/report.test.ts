import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { chart, escaped, ticks } from '../../../coordinator/report/html.js';
import { reportPage, type ReportedRun } from '../../../coordinator/report/report-page.js';
import { readRun } from '../../../coordinator/report/reported-run.js';
import { summarySchema } from '../../../coordinator/reports/summary.js';

const hostile = `<script>alert("1")</script>&'`;
const summary = summarySchema.parse({
  ...{ run: 'r1', name: hostile, recipeDigest: 'e'.repeat(64), digest: 'a'.repeat(64) },
  ...{ steps: 20, samples: 640, seconds: 12.345, workers: [] },
  student: { accuracy: 0.875, calibrationError: 0.0321, parameters: 9098 },
  baseline: { accuracy: 0.75, parameters: 9098, digest: 'b' },
  teachers: [
    { name: hostile, accuracy: 0.9375, parameters: 100 },
    { name: 'u', accuracy: 0.5, parameters: 200 },
  ],
  ensemble: { accuracy: 0.96875, parameters: 300 },
  leases: { granted: 40, repeated: 2, refused: 0 },
  log: { bytes: 1, seconds: 1 },
});
const run: ReportedRun = {
  folder: 'runs/a',
  summary,
  epochs: [
    { step: 10, loss: 2, eval: { accuracy: 0.5 } },
    { step: 20, loss: 1, eval: { accuracy: 0.875 } },
  ],
  terms: { width: 2, from: 0, series: { [hostile]: { min: [1, 0], max: [3, 2], mean: [2, 1] } } },
  recipe: `name: ${hostile}\n`,
};

describe('a report', () => {
  it('has the figures of every model, the digests and the recipe', () => {
    const page = reportPage([run]);
    for (const text of [
      '87.50 %',
      '3.21 %',
      '75.00 %',
      '93.75 %',
      '96.88 %',
      '9,098',
      'a'.repeat(64),
      '2 of 40',
      '12.3',
    ])
      expect(page).toContain(text);
    expect(page).toContain(`<td>student, distilled</td><td>9,098</td><td>87.50 %</td><td>3.21 %</td>`);
  });

  it('shows what names and recipes say as text, and loads nothing', () => {
    const page = reportPage([run]);
    expect(page).not.toContain('<script');
    expect(page).toContain(`<pre>name: ${escaped(hostile)}`);
    expect(page.split(escaped(hostile)).length).toBeGreaterThan(4);
    expect(page).not.toMatch(/https?:|url\(|src=|href=/);
    expect(page).toContain("default-src 'none'");
  });

  it('is dark where its reader wants it', () => expect(reportPage([run])).toContain('prefers-color-scheme:dark'));

  it('compares several runs side by side, and says which is not finished', () => {
    const page = reportPage([run, { ...run, folder: 'runs/b', summary: null, recipe: null }]);
    expect(page).toContain('<th>runs/a</th><th>runs/b</th>');
    expect(page).toContain(`<td>weights</td><td>${'a'.repeat(64)}</td><td>–</td>`);
    expect(page).toContain('The run is not finished.');
    expect(page).toContain('recipe.yaml is missing.');
    expect(page).toContain('runs/a: student alone');
  });
});

describe('pictures of classes', () => {
  const details = {
    confusion: [
      [3, 1],
      [0, 0],
    ],
    perClass: [
      { samples: 4, accuracy: 0.75 },
      { samples: 0, accuracy: null },
    ],
    reliability: [{ from: 14 / 15, to: 1, samples: 4, confidence: 0.95, accuracy: 0.75 }],
  };
  const facts = {
    ...{ input: { shape: [2], preprocess: null }, output: { task: 'classes' as const, classes: 2 } },
  };
  const page = (classNames?: string[]): string =>
    reportPage([
      {
        ...run,
        summary: { ...summary, details, facts: { ...facts, output: { ...facts.output, classNames } } },
      },
    ]);

  it('say each count, and are as dark as its share of the label', () => {
    expect(page()).toContain('<title>0 taken for 1: 1 (25.00 %)</title>');
    expect(page()).toMatch(/class="wrong" x="285" y="10" width="195" height="195" fill-opacity="0.31"/);
    expect(page()).toMatch(/class="right" x="90" y="10" width="195" height="195" fill-opacity="0.77"/);
    expect(page().match(/class="(right|wrong)"/g)).toHaveLength(2);
  });

  it('say how sure each accuracy is, and how far confidence can be believed', () => {
    expect(page()).toContain('<title>0: 75.00 % of 4 (95 %: 30.06 % to 95.44 %)</title>');
    expect(page()).toContain('<title>4 samples at a mean confidence of 95.00 %: 75.00 % right</title>');
  });

  it('show names of classes as text', () => {
    expect(page([hostile, 'b'])).toContain(`${escaped(hostile)} taken for b: 1`);
    expect(page([hostile, 'b'])).not.toContain('<script');
  });
});

describe('a picture', () => {
  it('has every point in its place, from the least to the greatest, and passes over what is missing', () => {
    const lines = [{ label: 'x', points: [[0, 1] as const, [5, null] as const, [10, 3] as const] }];
    expect(chart('t', lines, String)).toContain('points="64,232 548,10"');
    expect(chart('t', [{ label: 'x', points: [[1, 2]] }], String)).toMatch(/points="306,121"/);
    expect(chart('t', [{ label: 'x', points: [] }], String)).toContain('Nothing was measured.');
  });

  it.each([
    [0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [0.91, 0.99, [0.92, 0.94, 0.96, 0.98]],
    [-3, 12, [0, 5, 10]],
  ])('has round numbers at its axis: from %d to %d', (from, to, wanted) => expect(ticks({ from, to })).toEqual(wanted));
});

describe('the folder of a run', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-report-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is read as far as it goes, and refused where it holds no run', async () => {
    await expect(readRun(folder)).rejects.toThrow(`${folder}: holds no journal.jsonl; a run folder was wanted`);
    const commit = (step: number, generation: number, loss: number): string =>
      `${JSON.stringify({
        ...{ type: 'commit', generation, atMs: step, step, unit: step, epoch: 0, from: 0, to: 4, samples: 4 },
        ...{ loss: { a: 4 * loss }, counts: { a: 4 }, sums: {}, digest: 'd' },
      })}\n`;
    const beside = '{"type":"failure"}\nno JSON\n';
    const restart = `${JSON.stringify({ type: 'generation', generation: 2, atMs: 1, step: 1 })}\n`;
    writeFileSync(
      join(folder, 'journal.jsonl'),
      `${commit(0, 1, 9)}${commit(1, 1, 8)}${beside}${restart}${commit(1, 2, 7)}`,
    );
    writeFileSync(join(folder, 'metrics.jsonl'), '{"step":2,"loss":1.5,"eval":{"accuracy":0.5}}\nnot JSON\n');
    const read = await readRun(folder);
    expect(read).toMatchObject({ folder, summary: null, recipe: null });
    expect(read.epochs).toEqual([{ step: 2, loss: 1.5, eval: { accuracy: 0.5 } }]);
    // A step that a later coordinator made anew counts as that one made it.
    expect(read.terms.series.a?.mean).toEqual([9, 7]);
  });
});
