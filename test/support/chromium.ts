import { existsSync } from 'node:fs';
import type { Browser } from 'playwright-core';

/** An installed Chromium, or undefined: tests that need a browser are skipped then. */
export const chromiumPath = [process.env['CHROMIUM_PATH'], '/usr/bin/chromium', '/usr/bin/chromium-browser'].find(
  (path) => path !== undefined && existsSync(path),
);

export async function openChromium(): Promise<Browser> {
  const { chromium } = await import('playwright-core');
  // Within a container there is no sandbox of its own to be had.
  return await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox', '--disable-gpu'] });
}
