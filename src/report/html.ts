/**
 * The report as one HTML file that needs nothing else: no script, no font, no network. Written to be read as the
 * supplement of a paper, the verdict first; what it shows is also there as files, figures and tables each by itself.
 */
import type { ReportInput } from './input.ts';
import { html } from './markup.ts';
import { date, page } from './page.ts';
import type { Part } from './part.ts';
import { cellsSection } from './sections/cells.ts';
import { confusionSection, rocSection } from './sections/confusion.ts';
import { curvesSection } from './sections/curves.ts';
import { augmentedSection, errorsSection } from './sections/errors.ts';
import { halvingSection } from './sections/halving.ts';
import { heading } from './sections/heading.ts';
import { methodSection } from './sections/method.ts';
import { pairsSection } from './sections/pairs.ts';
import { printedSection } from './sections/printed.ts';
import { probeSection } from './sections/probe.ts';
import { environmentSection, protocolSection, settingsSection } from './sections/protocol.ts';
import { extremesSection, f1Section, gridSection, verdictSection } from './sections/scores.ts';
import { summarise } from './summary.ts';
import { Supplement } from './supplement.ts';

export interface Report {
  /** The whole page. */
  readonly html: string;
  readonly supplement: Supplement;
}

export async function makeReport(input: ReportInput): Promise<Report> {
  const { grid } = input;
  const part: Part = { ...input, summary: summarise(grid), supplement: new Supplement() };
  const sections = [
    heading(part),
    await verdictSection(part),
    await f1Section(part),
    await probeSection(part),
    extremesSection(part),
    printedSection(part),
    gridSection(part),
    halvingSection(part),
    pairsSection(part),
    await curvesSection(part),
    confusionSection(part),
    await rocSection(part),
    errorsSection(part),
    augmentedSection(part),
    protocolSection(part),
    settingsSection(part),
    environmentSection(part),
    cellsSection(part),
    methodSection(part),
  ];
  const footer = html`Made by frostline ${grid.frostlineVersion} on ${date(grid.startedAt)}. The numbers of every cell are in results.csv and results.json beside this file, every figure and table in report-files.`;
  return {
    html: page({ title: grid.title, version: grid.frostlineVersion, sections, footer }),
    supplement: part.supplement,
  };
}

/** The page alone. */
export async function reportHtml(input: ReportInput): Promise<string> {
  return (await makeReport(input)).html;
}
