/** The pages in a real browser: wide, on a phone, in the dark, printed; and the page that changes while a grid runs. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeFilesAtomically } from '../../src/files.ts';
import { compareReport } from '../../src/report/compare.ts';
import { reportHtml } from '../../src/report/html.ts';
import { watchGrid } from '../../src/report/watch.ts';
import { chromiumPath, openChromium } from '../support/chromium.ts';
import { alexnetPoints, cell, sampleGrid } from './grid.ts';
import { richInput } from './rich.ts';

const hasPdftotext = spawnSync('pdftotext', ['-v']).error === undefined;

let folder: string;
let browser: Browser;
const pages: Record<string, string> = {};
const input = richInput();

describe.skipIf(chromiumPath === undefined)('in a browser (needs chromium)', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'frostline-browser-'));
    browser = await openChromium();
    const other = { grid: { ...sampleGrid({ seeds: [1, 2] }), title: 'Another grid' } };
    const contents = {
      rich: await reportHtml(input),
      // A grid of few points, of many classes, with names that could break out of their places.
      classes: await reportHtml({
        grid: sampleGrid({
          points: alexnetPoints.slice(3, 5),
          classes: Array.from({ length: 9 }, (_, c) => `a class with a long name and number ${c}`),
          test: Array(9).fill(8),
        }),
      }),
      failed: await reportHtml({ grid: { ...sampleGrid(), cells: [cell(alexnetPoints[1], 1e-4)] } }),
      comparison: (
        await compareReport(
          new Map([
            ['a', input],
            ['b', other],
          ]),
        )
      ).html,
    };
    for (const [name, text] of Object.entries(contents)) {
      pages[name] = join(folder, `${name}.html`);
      await writeFile(pages[name], text);
    }
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** What a page has said and asked for; a file's own address and what lies in it do not count. */
  function listen(page: Page): string[] {
    const heard: string[] = [];
    page.on('console', (message) => heard.push(`console: ${message.text()}`));
    page.on('pageerror', (error) => heard.push(`error: ${error.message}`));
    page.on('request', (request) => {
      if (!/^(file|data):/.test(request.url())) heard.push(`request: ${request.url()}`);
    });
    return heard;
  }

  const sizes = [1280, 768, 360].flatMap((width) =>
    (['light', 'dark'] as const).map((scheme) => [width, scheme] as const),
  );

  it.each(['rich', 'classes', 'failed', 'comparison'])(
    '%s says nothing, asks for nothing, and fits',
    async (name) => {
      for (const [width, colorScheme] of sizes) {
        const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
        const heard = listen(page);
        await page.goto(pathToFileURL(pages[name]).href);
        expect(heard, `${width} ${colorScheme}`).toEqual([]);
        const beyond = await page.evaluate<string[]>(`
        [...document.querySelectorAll('main *')]
          .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5 && !one.closest('.scroll, pre, .card'))
          .map((one) => one.outerHTML.slice(0, 120))`);
        expect(beyond, `${width} ${colorScheme}`).toEqual([]);
        expect(await page.evaluate('document.documentElement.scrollWidth'), `${width}`).toBeLessThanOrEqual(width);
        await page.close();
      }
    },
    60_000,
  );

  it('cuts no text: names of classes and layers wrap within their boxes', async () => {
    for (const name of ['rich', 'classes']) {
      for (const width of [1280, 360]) {
        const page = await browser.newPage({ viewport: { width, height: 900 } });
        await page.goto(pathToFileURL(pages[name]).href);
        const cut = await page.evaluate<string[]>(`
          [...document.querySelectorAll('.matrix th, .strip span, .error p, .card h4')]
            .filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0)
            .map((one) => one.tagName + ' ' + one.textContent)`);
        expect(cut, `${name} at ${width}`).toEqual([]);
        await page.close();
      }
    }
  }, 30_000);

  it('has enough contrast in both schemes', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await browser.newPage({ colorScheme });
      await page.goto(pathToFileURL(pages['rich']).href);
      const [ink, soft, paper] = await page.evaluate<number[][]>(`
        [['body', 'color'], ['figcaption', 'color'], ['body', 'backgroundColor']].map(([selector, key]) =>
          getComputedStyle(document.querySelector(selector))[key].match(/[\\d.]+/g).map(Number))`);
      expect(contrast(ink, paper), colorScheme).toBeGreaterThan(7);
      expect(contrast(soft, paper), colorScheme).toBeGreaterThan(4.5);
      await page.close();
    }
  }, 30_000);

  it('keeps every table within a printed page', async () => {
    // A4 less the margins of the style sheet: 178 mm at 96 pixels an inch.
    const width = Math.floor((178 / 25.4) * 96);
    const page = await browser.newPage({ viewport: { width, height: 900 } });
    await page.emulateMedia({ media: 'print' });
    await page.goto(pathToFileURL(pages['rich']).href);
    const wide = await page.evaluate<string[]>(`
      [...document.querySelectorAll('table')]
        .filter((table) => table.getBoundingClientRect().width > innerWidth + 1)
        .map((table) => table.getBoundingClientRect().width + ' ' + table.textContent.slice(0, 60))`);
    expect(wide).toEqual([]);
    await page.close();
  }, 30_000);

  it.skipIf(!hasPdftotext)(
    'prints no heading away from what it heads (needs pdftotext)',
    async () => {
      const page = await browser.newPage();
      await page.goto(pathToFileURL(pages['rich']).href);
      const headings = await page.evaluate<string[]>(
        "[...document.querySelectorAll('h2, h3, summary')].map((one) => one.textContent.trim())",
      );
      const pdf = join(folder, 'rich.pdf');
      await page.pdf({ path: pdf, format: 'A4' });
      await page.close();
      const { stdout } = spawnSync('pdftotext', ['-layout', pdf, '-'], { encoding: 'utf8' });
      const sheets = stdout.split('\f').filter((text) => text.trim() !== '');
      expect(sheets.length).toBeGreaterThan(3);
      const last = sheets.map((text) => text.trim().split('\n').at(-1)!.trim().replace(/\s+/g, ' '));
      expect(last.filter((line) => headings.includes(line) || /^(Table|Figure) \d+\./.test(line))).toEqual([]);
    },
    60_000,
  );

  it('changes with the folder while a grid runs, and keeps open what the reader opened', async () => {
    const grid = join(folder, 'running');
    const { url, close } = await watchGrid(grid, { port: 0, every: 50 });
    const page = await browser.newPage();
    const heard: string[] = [];
    page.on('console', (message) => heard.push(message.text()));
    page.on('pageerror', (error) => heard.push(error.message));
    try {
      await page.goto(url);
      await page.getByText('Waiting for a sweep to begin').waitFor();
      const points = alexnetPoints.slice(0, 2);
      const { cells: _, seconds: __, adapters: ___, ...head } = sampleGrid({ points });
      const planned = points.map((freeze) => ({
        ...{ folder: `cells/${freeze.name}`, freeze, learningRate: 1e-4, newLayerRate: 1e-3, split: '1', seed: 1 },
      }));
      await writeFilesAtomically(grid, {
        'plan.json': JSON.stringify({ ...head, configuration: 'x', cells: planned }),
      });
      await page.getByText('0 of 2 cells have a result').waitFor();
      const finish = async (i: number) => {
        const result = {
          ...cell(points[i], 1e-4, [
            [38, 2],
            [3, 7],
          ]),
          configuration: 'x',
        };
        await writeFilesAtomically(join(grid, planned[i].folder), { 'result.json': JSON.stringify(result) });
      };
      await finish(0);
      await page.getByText('1 of 2 cells have a result').waitFor();
      await page.locator('details summary').first().click();
      expect(await page.locator('details').first().getAttribute('open')).toBeNull();
      await finish(1);
      await page.getByText('2 of 2 cells done').waitFor();
      expect(await page.locator('details').first().getAttribute('open')).toBeNull();
      expect(heard).toEqual([]);
    } finally {
      await page.close();
      await close();
    }
  }, 60_000);
});

/** WCAG's ratio of two colours, each red, green, blue from 0 to 255. */
function contrast(a: readonly number[], b: readonly number[]): number {
  const luminance = (rgb: readonly number[]) =>
    rgb.slice(0, 3).reduce((sum, value, i) => {
      const c = value / 255;
      return sum + [0.2126, 0.7152, 0.0722][i] * (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    }, 0);
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}
