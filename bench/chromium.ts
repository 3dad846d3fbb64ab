/** Debian's Chromium, for the tests of the page and for its pictures. */
import { chromium, type Browser } from 'playwright-core';

/** Opens it without a window. As root it has no sandbox of its own, so it is shown our own page alone. */
export function openChromium(): Promise<Browser> {
  const executablePath = process.env.STILLHOUSE_CHROMIUM_PATH ?? '/usr/bin/chromium';
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
}
