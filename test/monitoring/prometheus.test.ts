/** Prometheus' own tools on metrics and alert rules, and a real Prometheus that scrapes a real run. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { commitsOf, Program, soon } from '../../bench/programs.js';
import { metricsPage, runMetrics } from '../../coordinator/watch/metrics-page.js';
import { newToken } from '../../shared/access/local-token.js';
import { counts } from '../coordinator/watch/counts.js';
import { barsRecipe, writeBars } from '../e2e/bars.js';
import { freePorts, scratchFolder } from '../e2e/processes.js';

const deploy = fileURLToPath(new URL('../../deploy/monitoring/', import.meta.url));
const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
let prometheus: ChildProcess | null = null;
afterAll(async () => {
  if (prometheus !== null) {
    const closed = new Promise((resolve) => prometheus?.once('close', resolve));
    prometheus.kill('SIGKILL');
    await closed;
  }
  scratch.remove();
});

const promtool = (args: readonly string[], input = ''): string =>
  execFileSync('promtool', args, { encoding: 'utf8', input, cwd: deploy });

describe('promtool', () => {
  it('finds nothing to say against the names and texts of the metrics', async () => {
    const { text } = await metricsPage(counts);
    expect(promtool(['check', 'metrics'], text)).toBe('');
    expect(() => promtool(['check', 'metrics'], text.replaceAll('late_leases_total', 'late_leases'))).toThrow();
  });

  it('takes the configuration, and the alert rules fire when they are to', () => {
    for (const file of ['prometheus.yml', '../compose/monitoring/prometheus.yml'])
      expect(promtool(['check', 'config', '--syntax-only', file])).toContain('SUCCESS');
    expect(promtool(['test', 'rules', 'alerts.test.yml'])).toContain('SUCCESS');
  });
});

const answerSchema = z.object({
  data: z.object({
    result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })),
  }),
});

describe('a Prometheus with the configuration that is shipped', () => {
  it('scrapes a run at work by the token of a viewer, and knows every metric of it', async () => {
    writeBars(scratch.path);
    const recipe = barsRecipe({ student: '{ builtin: mlp, hidden: [16] }' });
    writeFileSync(at('recipe.yaml'), recipe);
    const tokens = { worker: newToken(), viewer: newToken() };
    writeFileSync(at('tokens'), `${tokens.worker}\n${tokens.viewer} role=viewer\n`);
    writeFileSync(at('token'), tokens.viewer);
    const run = new Program(
      [
        ...['coordinator', at('recipe.yaml'), '--listen', '127.0.0.1:0', '--token-file', at('tokens')],
        // The second worker never comes, so the run stands there for as long as it takes to be looked at.
        ...['--out', at('run'), '--expect', '2'],
      ],
      { STILLHOUSE_CACHE: at('cache') },
      100_000,
    );
    const [, url = '', target = ''] = await run.says(/worker (ws:\/\/(\S+))/);
    const worker = new Program(['worker', url], { STILLHOUSE_CACHE: at('cache-1'), STILLHOUSE_TOKEN: tokens.worker });
    await run.says(/waiting for 2 workers: 1 ready/);

    const [port = 0] = await freePorts(1);
    const shipped = readFileSync(join(deploy, 'prometheus.yml'), 'utf8');
    const config = shipped.replace('127.0.0.1:7070', target).replace('15s', '1s').replace('[alerts.yml]', '[]');
    writeFileSync(at('prometheus.yml'), config);
    prometheus = spawn(
      'prometheus',
      [
        ...[`--config.file=${at('prometheus.yml')}`, `--storage.tsdb.path=${at('tsdb')}`],
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: 'ignore' },
    );
    const ask = async (query: string): Promise<z.infer<typeof answerSchema>['data']['result']> => {
      const address = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`;
      const response = await fetch(address).catch(() => null);
      if (response?.ok !== true) return [];
      return answerSchema.parse(await response.json()).data.result;
    };
    let workers = await ask('stillhouse_workers{state="joining"} == 1');
    for (; workers.length === 0; workers = await ask('stillhouse_workers{state="joining"} == 1')) await soon(100);
    expect(workers[0]?.metric).toMatchObject({ job: 'stillhouse', instance: target });
    const known = await ask('{job="stillhouse",__name__=~"(stillhouse|process)_.*"}');
    const names = new Set(known.map(({ metric }) => metric.__name__));
    // Of a run that has not begun there is neither a loss, nor a pace, nor a phase; and this one keeps no labels.
    const missing = Object.keys(runMetrics).filter((name) => !names.has(name));
    expect(missing.filter((name) => !/_labels_|_loss$|_remaining_|_phase_/.test(name))).toEqual([]);

    const second = new Program(['worker', url], { STILLHOUSE_CACHE: at('cache-2'), STILLHOUSE_TOKEN: tokens.worker });
    const ends = await Promise.all([run.ended, worker.ended, second.ended]);
    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(commitsOf(at('run'))).toHaveLength(30);
  });
});
