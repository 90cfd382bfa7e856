/** Several grids on one page: each one's verdict, and their scores over the freeze layers side by side. */
import { FrostlineError } from '../errors.ts';
import { writeFilesAtomically } from '../files.ts';
import type { Verdict } from '../statistics/verdict.ts';
import { isSamePoint, pointName } from '../train/results.ts';
import { compareFigure } from './figures/compare.ts';
import { duration, freezeLabel, percent, plural, score } from './format.ts';
import type { ReportInput } from './input.ts';
import { type Html, html } from './markup.ts';
import { page } from './page.ts';
import { repeatsOf, scroll, section } from './part.ts';
import { bestOf, regularEntries, summarise } from './summary.ts';
import { Supplement } from './supplement.ts';
import { writeSupplement } from './write.ts';

/** One freeze point of one grid, at its chosen rate; by the verdict where there is one. */
export interface ComparedPoint {
  readonly grid: string;
  readonly point: string;
  readonly score: number;
  readonly interval?: readonly [low: number, high: number];
  /** cannot be told from the grid's best */
  readonly inSet: boolean;
}

interface Compared {
  readonly name: string;
  readonly folder: string;
  readonly input: ReportInput;
  readonly points: readonly ComparedPoint[];
}

/**
 * @param grids by the folder that each was read from
 * @returns the page, and its figure and tables as files
 * @throws FrostlineError where a folder is named twice
 */
export async function compareReport(grids: ReadonlyMap<string, ReportInput>) {
  if (grids.size < 2) throw new FrostlineError('A comparison needs two grids or more, each in a folder of its own.');
  const titles = [...grids.values()].map(({ grid }) => grid.title);
  const compared = [...grids].map(([folder, input]): Compared => {
    // Grids of one title are told apart by their folders.
    const { title } = input.grid;
    const name = titles.filter((other) => other === title).length > 1 ? `${title} (${folder})` : title;
    return { name, folder, input, points: pointsOf(name, input) };
  });
  const supplement = new Supplement();
  const points = compared.flatMap((one) => one.points);
  const figure =
    points.length > 0 &&
    (await supplement.figure(
      'comparison',
      (size) => compareFigure(compared, size),
      'F1 over the last frozen layer in each grid',
      html`F1 over the last frozen layer, a panel for each grid, each freeze point at its chosen rate; filled: cannot be told from the grid’s best. Bars are the verdict’s 95 % intervals, dashed is the classifier that always says the commonest class. Scores of different data are not comparable with each other: the shapes are.`,
    ));
  const sections = [
    html`<header><p class="kicker">Fine-tuning with frozen layers</p><h1>Comparison of ${plural(grids.size, 'grid')}</h1>
<dl class="verdicts">${compared.map(({ name, input }) => html`<dt>${name}</dt><dd>${verdictOf(input)}</dd>`)}</dl></header>`,
    figure ? section('F1 over the freeze layer', [figure]) : undefined,
    gridsSection(compared, supplement),
    pointsSection(compared, supplement),
  ];
  const version = compared[0].input.grid.frostlineVersion;
  const footer = html`Made by frostline ${version} from ${compared.map(({ folder }) => folder).join(', ')}. Every figure and table is in report-files.`;
  return { html: page({ title: `Comparison of ${grids.size} grids`, version, sections, footer }), supplement };
}

export async function writeComparison(folder: string, grids: ReadonlyMap<string, ReportInput>): Promise<string> {
  const { html: text, supplement } = await compareReport(grids);
  const [path] = await writeFilesAtomically(folder, { 'comparison.html': text });
  await writeSupplement(folder, supplement);
  return path;
}

function verdictOf({ grid }: ReportInput): string {
  if (grid.verdict !== undefined) return grid.verdict.sentence;
  const { best } = summarise(grid);
  const left = grid.pending?.length ? ` (not finished: ${plural(grid.pending.length, 'cell')} to come)` : '';
  if (best?.mean === undefined) return `No cell finished${left}.`;
  return `No verdict${left}. The best F1 so far, ${score(best.mean.f1)}, is at ${freezeLabel(best.freeze)}.`;
}

function pointsOf(name: string, { grid }: ReportInput): ComparedPoint[] {
  const { verdict } = grid;
  if (verdict !== undefined) return ofVerdict(name, verdict);
  const summary = summarise(grid);
  return summary.freezePoints.flatMap((freeze) => {
    const best = bestOf(regularEntries(summary).filter((entry) => isSamePoint(entry.freeze, freeze)));
    return best?.mean ? [{ grid: name, point: pointName(freeze), score: best.mean.f1, inSet: true }] : [];
  });
}

const ofVerdict = (name: string, { points, set }: Verdict): ComparedPoint[] =>
  points.map(({ point, score: value, interval }) => ({
    ...{ grid: name, point, score: value, interval },
    inSet: set.includes(point),
  }));

function gridsSection(compared: readonly Compared[], supplement: Supplement): Html {
  const rows = compared.map(({ name, folder, input: { grid } }) => {
    const { best, baseline, done } = summarise(grid);
    const { verdict } = grid;
    return {
      name,
      folder,
      model: grid.model.name,
      data: grid.dataset.name,
      runs: `${done.length} in ${duration(grid.seconds)}`,
      repeats: repeatsOf(grid) || 'one run each',
      best: verdict?.best ?? (best ? pointName(best.freeze) : 'none'),
      score: verdict?.points.find(({ point }) => point === verdict.best)?.score ?? best?.mean?.f1,
      set: verdict?.set.join(', ') ?? 'no verdict',
      baseline: baseline.f1,
      select: grid.select ?? 'test',
    };
  });
  const number = supplement.table(
    'grids',
    ['grid', 'folder', 'model', 'data', 'best_point', 'f1', 'set', 'commonest_class_f1', 'chosen_on'],
    rows.map((row) => [
      ...[row.name, row.folder, row.model, row.data, row.best, row.score, row.set, row.baseline, row.select],
    ]),
  );
  return section('The grids', [
    html`<p class="caption"><b>Table ${number}.</b> Chosen on: the part of the data on which each point’s rate was chosen; scores chosen on the test part are too good.</p>
`,
    scroll(
      html`<table class="ruled lines wide dense"><thead><tr>${[
        'Grid',
        'Model',
        'Data',
        'Runs',
        'Repeated',
        'Best point',
        'Not told from it',
      ].map(
        (title) => html`<th class="text" scope="col">${title}</th>`,
      )}<th scope="col">F1</th><th scope="col">Commonest class</th><th scope="col">Chosen on</th></tr></thead><tbody>${rows.map(
        (row) =>
          html`<tr><th class="text wrap" scope="row">${row.name}</th><td class="text">${row.model}</td><td class="text">${row.data}</td><td class="text">${row.runs}</td><td class="text">${row.repeats}</td><td class="text">${row.best}</td><td class="wrap">${row.set}</td><td>${row.score === undefined ? '–' : score(row.score)}</td><td>${score(row.baseline)}</td><td>${row.select}</td></tr>`,
      )}</tbody></table>`,
    ),
  ]);
}

function pointsSection(compared: readonly Compared[], supplement: Supplement): Html {
  // The grid with the most points gives the order.
  const byCount = compared.toSorted((a, b) => b.points.length - a.points.length);
  const names = [...new Set(byCount.flatMap(({ points }) => points.map(({ point }) => point)))];
  const number = supplement.table(
    'points',
    ['grid', 'point', 'f1', 'low', 'high', 'in_set'],
    compared.flatMap(({ points }) =>
      points.map(({ grid, point, score: value, interval, inSet }) => [
        ...[grid, point, value, interval?.[0], interval?.[1], inSet ? 1 : 0],
      ]),
    ),
  );
  const cell = ({ points }: Compared, name: string): Html => {
    const found = points.find(({ point }) => point === name);
    if (found === undefined) return html`<td>–</td>`;
    return html`<td${found.inSet && html` class="best"`}>${score(found.score)}${found.interval && html`<small> ${found.interval.map((x) => percent(x, 0).replace(' %', '')).join('–')}</small>`}</td>`;
  };
  return section('Freeze points', [
    html`<p class="caption"><b>Table ${number}.</b> F1 of each freeze point at its chosen rate, with its interval in hundredths. Bold: cannot be told from the grid’s best.</p>
`,
    scroll(
      html`<table class="ruled lines"><thead><tr><th class="text" scope="col">Freeze point</th>${compared.map(({ name }) => html`<th scope="col">${name}</th>`)}</tr></thead><tbody>${names.map(
        (name) => html`<tr><th class="text" scope="row">${name}</th>${compared.map((one) => cell(one, name))}</tr>`,
      )}</tbody></table>`,
    ),
  ]);
}
