/** Probes of the frozen features beside the grid's scores: evidence that was had without training, and no verdict. */
import { kendallTau } from '../../statistics/kendall.ts';
import type { ProbedPoint } from '../../train/probe.ts';
import { isSamePoint, pointName } from '../../train/results.ts';
import { probeFigure } from '../figures/probe.ts';
import { freezeLabel, plural, score } from '../format.ts';
import { type Html, html } from '../markup.ts';
import { type Part, scroll, section } from '../part.ts';
import { bestOf, type GridSummary, regularEntries } from '../summary.ts';

/** A probed depth with the grid's mean F1 at its best rate. */
export interface ProbedBeside {
  readonly probed: ProbedPoint;
  readonly f1?: number;
}

export const probeScores = [
  ['linear probe, F1', ({ linear }: ProbedPoint) => linear.f1],
  ['LogME', ({ logme }: ProbedPoint) => logme],
  ['CKA with the classes', ({ cka }: ProbedPoint) => cka],
] as const;

export function besideGrid(points: readonly ProbedPoint[], summary: GridSummary): ProbedBeside[] {
  return points.map((probed) => {
    const own = regularEntries(summary).filter(({ freeze }) => isSamePoint(freeze, probed.freeze));
    return { probed, f1: bestOf(own)?.mean?.f1 };
  });
}

/** How alike a probe and the grid order the depths that both have. */
export function agreement(beside: readonly ProbedBeside[], value: (probed: ProbedPoint) => number): number {
  const both = beside.filter(({ f1 }) => f1 !== undefined);
  return kendallTau(
    both.map(({ probed }) => value(probed)),
    both.map(({ f1 }) => f1!),
  );
}

const signed = (tau: number) => (Number.isNaN(tau) ? '–' : tau.toFixed(2).replace('-', '−'));

export async function probeSection({ probe, summary, supplement }: Part): Promise<Html | undefined> {
  if (probe === undefined) return undefined;
  const beside = besideGrid(probe.points, summary);
  const figure = await supplement.figure(
    'probe',
    (size) => probeFigure(beside, size),
    'Linear probe and fine-tuning over the depth',
    html`F1 of the grid at each depth’s best rate, and F1 of a linear classifier on the features that freezing there leaves as they are, not fine-tuned. The probe saw ${plural(probe.images, 'training image')} of the first split alone.`,
  );
  const number = supplement.table(
    'probe',
    ['freeze_number', 'freeze_name', 'probe_f1', 'probe_accuracy', 'logme', 'cka', 'grid_f1'],
    beside.map(({ probed: { freeze, linear, logme, cka }, f1 }) => [
      ...[freeze.number, pointName(freeze), linear.f1, linear.accuracy],
      ...[logme, cka, f1],
    ]),
  );
  const rows = beside.map(
    ({ probed, f1 }) =>
      html`<tr><th scope="row">${freezeLabel(probed.freeze)}</th>${probeScores.map(([, value]) => html`<td>${score(value(probed))}</td>`)}<td>${f1 === undefined ? '–' : score(f1)}</td></tr>`,
  );
  return section('Probes of the frozen features: evidence, no verdict', [
    figure,
    html`<div class="keep"><p class="caption"><b>Table ${number}.</b> Without any fine-tuning: a ridge classifier, each ${probe.grouped ? 'group' : 'image'} predicted by the others (Alain and Bengio 2016); LogME, the evidence for a linear model (You et al. 2021); linear CKA with the classes (Kornblith et al. 2019). The last line says how alike each orders the depths as the grid does (Kendall’s τ, 1 the same, 0 as chance would). Probes order a search; what fine-tuning makes of the layers above the frost line they do not see.</p>
${scroll(html`<table class="ruled"><thead><tr><th class="text" scope="col">Freeze point</th>${probeScores.map(([title]) => html`<th scope="col">${title}</th>`)}<th scope="col">Grid, F1</th></tr></thead><tbody>${rows}<tr><th scope="row">τ with the grid</th>${probeScores.map(([, value]) => html`<td>${signed(agreement(beside, value))}</td>`)}<td></td></tr></tbody></table>`)}</div>`,
  ]);
}
