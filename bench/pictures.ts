/**
 * node dist/bench/pictures.js
 *
 * Makes the pictures of docs/pictures: the page of a run of examples/mnist, light, dark and on a phone, in Chromium.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openChromium } from './chromium.js';
import { commitsOf, killAll, Program, soon } from './programs.js';

async function atStep(step: number): Promise<void> {
  while (commitsOf(out).length < step) await soon(200);
}

const scratch = mkdtempSync(join(tmpdir(), 'stillhouse-pictures-'));
const out = join(scratch, 'mnist');
const browser = await openChromium();
try {
  const run = new Program(
    ['run', 'examples/mnist/recipe.yaml', '--workers', '2', '--set', 'baseline=false', '--out', out],
    { STILLHOUSE_CACHE: join(scratch, 'cache') },
  );
  const [, url = '', file = ''] = await run.says(/watch it at: {2}(\S+) .*is in (\S+)\)/);
  const page = await browser.newPage({ viewport: { width: 1200, height: 1000 } });
  await page.goto(`${url}#token=${readFileSync(file, 'utf8').trim()}`);
  // Far enough for curves; a run that ends before is a failure.
  await Promise.race([
    atStep(120),
    run.ended.then(({ stderr }) => {
      throw new Error(`the run has ended:\n${stderr}`);
    }),
  ]);
  await page.screenshot({ path: 'docs/pictures/page.png' });
  await page.emulateMedia({ colorScheme: 'dark' });
  await soon(300);
  await page.screenshot({ path: 'docs/pictures/page-dark.png' });
  await page.setViewportSize({ width: 390, height: 844 });
  await soon(1200);
  await page.screenshot({ path: 'docs/pictures/page-phone.png' });
} finally {
  await browser.close();
  killAll();
  rmSync(scratch, { recursive: true, force: true });
}
