/** The page in a real Chromium, of real runs: what is seen of a run, a killed worker, the end, and a token that ends. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openChromium } from '../../bench/chromium.js';
import { commitsOf, Program, soon } from '../../bench/programs.js';
import { newToken } from '../../shared/access/local-token.js';
import { barsRecipe, writeBars } from '../e2e/bars.js';
import { scratchFolder } from '../e2e/processes.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
const tokens = { worker: newToken(), viewer: newToken(), later: newToken() };
let browser: Browser;

beforeAll(async () => {
  writeBars(scratch.path);
  const recipe = barsRecipe({ student: '{ builtin: mlp, hidden: [256] }' });
  writeFileSync(at('recipe.yaml'), recipe.replace(/epochs: \d+/, 'epochs: 200'));
  browser = await openChromium();
});
afterAll(async () => {
  await browser.close();
  scratch.remove();
});

function start(cache: string, args: readonly string[]): Program {
  mkdirSync(at(cache), { recursive: true });
  return new Program(args, { STILLHOUSE_CACHE: at(cache), STILLHOUSE_TOKEN: tokens.worker }, 100_000);
}

interface Watched {
  readonly coordinator: Program;
  readonly worker: (name: string) => Program;
  readonly url: string;
}

/** A coordinator whose viewer's token is good until then. */
async function coordinate(out: string, untilMs = Date.now() + 1e9): Promise<Watched> {
  const until = new Date(untilMs).toISOString();
  const lines = [tokens.worker, `${tokens.viewer} role=viewer until=${until}`, `${tokens.later} role=viewer`];
  writeFileSync(at(`${out}.tokens`), lines.join('\n'));
  const listen = ['--listen', '127.0.0.1:0', '--expect', '2', '--token-file', at(`${out}.tokens`)];
  const coordinator = start('coordinator', ['coordinator', at('recipe.yaml'), ...listen, '--out', at(`runs/${out}`)]);
  const [, url = ''] = await coordinator.says(/watch it at: {2}(\S+)/);
  const socket = url.replace(/^http/, 'ws').replace(/\/$/, '');
  return { coordinator, url, worker: (name) => start(name, ['worker', socket, '--backend', 'wasm']) };
}

/** A page, and all that it says is wrong with it. */
async function open(url: string): Promise<{ readonly page: Page; readonly faults: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  page.setDefaultTimeout(60_000);
  const faults: string[] = [];
  page.on('pageerror', ({ message }) => faults.push(message));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  await page.goto(url);
  return { page, faults };
}

describe('the page of a run', () => {
  it('follows it, names a worker that was killed, and tells of the end', async () => {
    const { coordinator, worker, url } = await coordinate('watched');
    const { page, faults } = await open(`${url}#token=${tokens.viewer}`);
    await page.getByText('waiting', { exact: true }).waitFor();
    // The token is in the tab alone: neither in its address nor in what the coordinator was asked for.
    expect(page.url()).toBe(url);
    const workers = ['w1', 'w2'].map((name) => worker(name));
    await page.getByText('working', { exact: true }).waitFor();
    await page.locator('#workers-body tr').nth(1).waitFor();
    const progress = page.locator('#progress');
    const seen = Number(await progress.getAttribute('value'));
    while (Number(await progress.getAttribute('value')) <= seen) await soon();
    expect(await page.locator('.chart canvas').count()).toBe(3);
    expect(await page.locator('#loss-chart').getAttribute('aria-label')).toMatch(/^loss 0\.\d+|^loss \d/);
    expect(await page.locator('#terms-body tr').innerText()).toMatch(/crossEntropy\s+\S+\s+0\.5\s+100\.0 %/);
    expect(await page.locator('#tree .block').count()).toBeGreaterThan(0);

    workers[0]?.child.kill('SIGKILL');
    await page.locator('#workers-body tr.gone').waitFor();
    await page
      .locator('#notes li', { hasText: / left|lost|gone/ })
      .first()
      .waitFor();
    await page.getByText('1 here').waitFor();

    expect((await coordinator.ended).code).toBe(0);
    await page.getByText('done', { exact: true }).waitFor();
    const { digest } = JSON.parse(readFileSync(at('runs/watched/summary.json'), 'utf8')) as { digest: string };
    await page
      .getByRole('alert')
      .getByText(`weights ${digest.slice(0, 16)}`)
      .waitFor();
    expect(await page.locator('#progress-text').innerText()).toContain('of 1\u202f000');
    expect(faults).toEqual([]);
    await page.close();
  });

  it('asks for a token, says that one has ended, and goes on with another; the keyboard is enough for it', async () => {
    const untilMs = Date.now() + 20_000;
    const { coordinator, url } = await coordinate('ending', untilMs);
    const { page } = await open(url);
    await page.getByText('A token of role viewer or admin is wanted.').waitFor();
    await page.keyboard.type(tokens.worker);
    await page.keyboard.press('Enter');
    await page.getByText("the token's role is worker; viewer or admin wanted for this").waitFor();
    await page.keyboard.type(tokens.viewer);
    await page.keyboard.press('Enter');
    await page.getByText('waiting', { exact: true }).waitFor();
    expect(await page.locator('#login').isVisible()).toBe(false);
    await page.getByText(`the token was good until ${new Date(untilMs).toISOString()}`).waitFor();
    expect(await page.locator('#login').isVisible()).toBe(true);
    await page.keyboard.type(tokens.later);
    await page.keyboard.press('Enter');
    await page.locator('#login').waitFor({ state: 'hidden' });

    // A coordinator that is gone is told of, and the page goes on trying.
    coordinator.child.kill('SIGKILL');
    await page.getByText('trying again').waitFor();
    await page.close();
  });

  it('fits a phone, is dark where the reader wants it, and compares the runs beside it', async () => {
    const { coordinator, url } = await coordinate('beside');
    const { page, faults } = await open(`${url}#token=${tokens.viewer}`);
    await page.getByRole('checkbox', { name: 'watched' }).check();
    await page.locator('#loss-chart .u-legend').getByText('watched').waitFor();
    await page.setViewportSize({ width: 360, height: 700 });
    await page.emulateMedia({ colorScheme: 'dark' });
    await soon(500);
    const { wide, ground } = await page.evaluate<{ wide: number; ground: string }>(
      '({ wide: document.documentElement.scrollWidth, ground: getComputedStyle(document.body).backgroundColor })',
    );
    expect(wide).toBeLessThanOrEqual(360);
    expect(ground).toBe('rgb(20, 23, 27)');
    expect(commitsOf(at('runs/beside'))).toEqual([]);
    expect(faults).toEqual([]);
    coordinator.child.kill('SIGINT');
    await page.close();
    expect((await coordinator.ended).code).toBe(75);
  });
});
