/** The page's own files: who gets them, with which policy, and what they hold. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveAsset } from '../../../coordinator/page/assets.js';
import { EventText } from '../../../coordinator/page/browser/events.js';
import { pieces } from '../../../coordinator/page/browser/pieces.js';
import { bytesText, durationText, figureText, wholeText } from '../../../coordinator/page/browser/texts.js';
import { pastRuns, thinned } from '../../../coordinator/page/past-runs.js';
import { listen, type Admission } from '../../../coordinator/server/server.js';

let door: Admission;
/** What could not be answered. */
const failed: string[] = [];
beforeAll(async () => {
  door = await listen({
    ...{ host: '127.0.0.1', port: 0, credentials: () => [], find: () => undefined, isReady: () => true },
    operations: {
      onFailed: (path, error) => void failed.push(`${path}: ${String(error)}`),
      status: async () => ({}),
      metrics: async () => ({ contentType: 'text/plain', text: '' }),
      stop: () => undefined,
      drain: () => false,
      journal: { path: 'none', run: 'r' },
      page: { asset: serveAsset, live: () => undefined, runs: async () => [] },
    },
    onWorker: () => undefined,
    onError: (error) => {
      throw error;
    },
  });
});
afterAll(() => door.close());

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port: door.port, path, headers, method, agent: false }, (response) => {
      response
        .toArray()
        .then(
          (parts) => resolve({ status: response.statusCode ?? 0, headers: response.headers, text: parts.join('') }),
          reject,
        );
    })
      .on('error', reject)
      .end();
  });
}

describe("the page's files", () => {
  it('come with a policy that allows this origin alone, and no markup from text', async () => {
    const { status, headers, text } = await ask('/');
    expect(status).toBe(200);
    const policy = String(headers['content-security-policy']).split('; ');
    expect(policy).toEqual(
      expect.arrayContaining([
        ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"],
        ...["frame-ancestors 'none'", "require-trusted-types-for 'script'"],
      ]),
    );
    expect(policy.join()).not.toMatch(/unsafe|https?:|\*/);
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
    expect(text).not.toMatch(/https?:\/\/|<script>|\sstyle=|\son\w+=/);
  });

  it('are all there that the document names, and its program needs no other', async () => {
    const seen = new Map<string, string>();
    const wanted = ['/'];
    for (let path = wanted.pop(); path !== undefined; path = wanted.pop()) {
      if (seen.has(path)) continue;
      const { status, text, headers } = await ask(path);
      expect([path, status]).toEqual([path, 200]);
      seen.set(path, String(headers['content-type']));
      wanted.push(...[...text.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, named = '']) => named));
      if (path === '/page/main.js') expect(text).not.toMatch(/\b(?:import|from)\s*\(?["']/);
    }
    expect([...seen.keys()]).toEqual(expect.arrayContaining(['/page/main.js', '/page/uplot.js', '/page/uplot.css']));
    expect(seen.get('/page/main.js')).toContain('text/javascript');
    expect((await ask('/page/uplot.js')).text.startsWith('/*! https://github.com/leeoniya/uPlot')).toBe(true);
  });

  it('are those of the list alone', async () => {
    for (const path of [
      '/page/',
      '/page/../package.json',
      '/page/%2e%2e/main.js',
      '/page/tsconfig.json',
      '/page/toString',
    ])
      expect((await ask(path)).status, path).toBe(404);
    expect(await ask('/', {}, 'HEAD')).toMatchObject({ status: 200, text: '' });
    expect((await ask('/', {}, 'POST')).status).toBe(405);
  });

  it('are given to the page itself, and to no other page; what is of the run is given to no page of another origin', async () => {
    const own = { origin: `http://127.0.0.1:${door.port}` };
    expect((await ask('/page/main.js', own)).status).toBe(200);
    for (const origin of ['http://elsewhere.example', 'null', `https://127.0.0.1:${door.port}`])
      expect((await ask('/page/main.js', { origin })).status).toBe(403);
    expect((await ask('/page/main.js', { host: 'rebound.example', origin: 'http://rebound.example' })).status).toBe(
      403,
    );
    expect((await ask('/live', own)).status).toBe(403);
    expect((await ask('/live')).status).toBe(401);
  });
});

describe('what the page computes', () => {
  it('puts events together from pieces that are cut anywhere', () => {
    const whole = 'event: notes\ndata: [1]\n\nevent: status\ndata: {"a":"x: y\\n\\n"}\n\n';
    for (let cut = 0; cut <= whole.length; cut++) {
      const text = new EventText();
      expect([...text.add(whole.slice(0, cut)), ...text.add(whole.slice(cut))]).toEqual([
        { name: 'notes', value: [1] },
        { name: 'status', value: { a: 'x: y\n\n' } },
      ]);
    }
  });

  it('draws every micro-batch once, a block of two workers at its furthest, and what is free', () => {
    const blocks = [
      { from: 4, to: 6, worker: 'w2', state: 'computing' } as const,
      { from: 0, to: 2, worker: 'w1', state: 'computing' } as const,
      { from: 0, to: 2, worker: 'w3', state: 'accepted' } as const,
    ];
    expect(pieces({ name: 'step 1', microBatches: 7, blocks })).toEqual([
      { from: 0, to: 2, state: 'accepted', workers: ['w1', 'w3'] },
      { from: 2, to: 4, state: 'free', workers: [] },
      { from: 4, to: 6, state: 'computing', workers: ['w2'] },
      { from: 6, to: 7, state: 'free', workers: [] },
    ]);
  });

  it('writes numbers for people', () => {
    expect([wholeText(1234567.4), wholeText(999)]).toEqual(['1\u202f234\u202f567', '999']);
    expect([bytesText(0), bytesText(1023), bytesText(1536), bytesText(300 * 2 ** 20)]).toEqual([
      ...['0 B', '1023 B', '1.5 KiB', '300 MiB'],
    ]);
    expect([durationText(0), durationText(59), durationText(61), durationText(90_061)]).toEqual([
      ...['0 s', '59 s', '1 min 1 s', '1 d 1 h'],
    ]);
    expect([figureText('accuracy', 0.98765), figureText('R2', 0.5), figureText(null, null)]).toEqual([
      ...['98.77 %', '0.5000', '–'],
    ]);
  });
});

describe('the runs beside a run', () => {
  const parent = mkdtempSync(join(tmpdir(), 'stillhouse-runs-'));
  afterAll(() => rmSync(parent, { recursive: true }));

  it('are told of with their baselines, as far as their files can be read', async () => {
    const put = (folder: string, files: Readonly<Record<string, string>>): void => {
      mkdirSync(join(parent, folder), { recursive: true });
      for (const [name, text] of Object.entries(files)) writeFileSync(join(parent, folder, name), text);
    };
    const line = (step: number, accuracy?: number): string =>
      `${JSON.stringify({ step, loss: 1 / step, ...(accuracy === undefined ? {} : { eval: { accuracy } }) })}\n`;
    put('whole', { 'journal.jsonl': '', 'metrics.jsonl': `${line(5, 0.5)}${line(10, 0.75)}${line(15)}` });
    put('whole/baseline', { 'journal.jsonl': '', 'metrics.jsonl': `${line(2)}not JSON\n` });
    put('no-run', { 'metrics.jsonl': line(1) });
    writeFileSync(join(parent, 'a-file'), '');
    const found = await pastRuns(parent);
    expect(found.map(({ folder }) => folder).sort()).toEqual(['whole', join('whole', 'baseline')]);
    expect(found.find(({ folder }) => folder === 'whole')).toMatchObject({
      ...{ isDone: false, steps: 15, value: 0.75, digest: null },
      epochs: [
        { step: 5, loss: 0.2, value: 0.5 },
        { step: 10, loss: 0.1, value: 0.75 },
        { step: 15, value: null },
      ],
    });
    expect(found.find(({ folder }) => folder !== 'whole')).toMatchObject({ steps: 2, value: null });
    expect(await pastRuns(join(parent, 'nowhere'))).toEqual([]);
  });

  it('leave out what cannot be read: pipes, folders of that name, links in a circle', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stillhouse-odd-'));
    for (const name of ['pipes', 'folders', 'whole']) mkdirSync(join(folder, name));
    for (const name of ['pipes', 'folders', 'whole']) writeFileSync(join(folder, name, 'journal.jsonl'), '');
    execFileSync(
      'mkfifo',
      ['summary.json', 'metrics.jsonl'].map((name) => join(folder, 'pipes', name)),
    );
    for (const name of ['summary.json', 'metrics.jsonl']) mkdirSync(join(folder, 'folders', name));
    symlinkSync('circle', join(folder, 'circle'));
    const found = await pastRuns(folder);
    expect(found.map((run) => [run.folder, run.epochs]).sort()).toEqual([
      ['folders', []],
      ['pipes', []],
      ['whole', []],
    ]);
    rmSync(folder, { recursive: true });
  });

  it('have so many epochs at most, the first and the last among them', () => {
    const all = Array.from({ length: 1001 }, (_, i) => i);
    expect(thinned(all, 5)).toEqual([0, 250, 500, 750, 1000]);
    expect(thinned([1, 2], 5)).toEqual([1, 2]);
  });
});
