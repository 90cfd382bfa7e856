/** The benchmarks as HTML pages in the style of the experiment's report: what was measured, a figure, every row. */
import type { FirstStep } from '../bench/first-step.ts';
import { inStepText } from '../bench/in-step.ts';
import type { KernelRow } from '../bench/kernels.ts';
import { bestPeer, ratioTo } from '../bench/peers/peer-targets.ts';
import type { FoundPeer, MissingPeer } from '../bench/peers/pool.ts';
import type { PeerRow } from '../bench/peers/rounds.ts';
import type { Roofline } from '../bench/roofline.ts';
import type { Timing } from '../bench/statistics.ts';
import { overLeast, type StepRow } from '../bench/steps.ts';
import type { Target } from '../bench/targets.ts';
import { choiceText } from '../kernels/kernel.ts';
import { freezingFigure, peersFigure, rooflineFigure } from './bench-figures.ts';
import { percent, plural } from './format.ts';
import { type Content, type Html, html } from './markup.ts';
import { date, page, twoSizes } from './page.ts';

/** What stands at the head of every benchmark, as in its JSON. */
export interface BenchHead {
  readonly frostline: string;
  readonly date: string;
  readonly adapter: { readonly name: string; readonly kind: string; readonly driver: string };
}

export interface KernelsReport extends BenchHead {
  readonly roofline: Roofline;
  readonly rows: readonly KernelRow[];
}

export async function kernelsHtml(report: KernelsReport): Promise<string> {
  const { roofline, rows } = report;
  const wrong = rows.filter(({ verdict }) => !verdict.passed).length;
  const plain = rows.filter(({ verdict }) => verdict.against === 'plain').length;
  const caption = html`<b>Figure 1.</b> The roofline of the adapter, measured in turns with the kernel runs (medians) by a multiply-add kernel (${roofline.gflops.toFixed(1)} GFLOP/s) and a copy kernel (${roofline.gigabytes.toFixed(1)} GB/s), and a point for every kernel run that computes; those that only move values are in the table. Operations a byte: with the fewest bytes that must move. A point above the sloping line reads from caches.`;
  const verdicts = { plain: 'is plain', device: 'yes', host: 'sampled' };
  const table = ruled(
    ['Network', 'Layers', 'Direction', 'Kernel', 'In a step'],
    ['Batch', 'Verified', 'ms', 'GFLOP/s', 'GB/s', 'Of ceiling'],
    rows.map(
      ({ network, batch, layers, direction, kernel, choice, inStep, verdict, timing, gflops, gigabytes, share }) => [
        network,
        layers.join(' '),
        direction,
        `${kernel} ${choiceText(choice)}`,
        inStepText(inStep),
        batch,
        verdict.passed ? verdicts[verdict.against] : 'WRONG',
        time(timing),
        gflops.toFixed(1),
        gigabytes.toFixed(1),
        percent(share),
      ],
    ),
  );
  return benchPage(report, 'Kernels', [
    html`<p class="lead">${plural(rows.length, 'kernel run')}, each checked before it was timed${plain > 0 ? html`, but for ${plain} of plain variants, against which the others are checked` : ''}${wrong > 0 ? html`: <span class="failed">${wrong} wrong</span>` : ''}.</p>`,
    await figure('Roofline', (size) => rooflineFigure(rows, roofline, size), 'GFLOP/s over operations a byte', caption),
    section('Every kernel run', table),
  ]);
}

export interface StepsReport extends BenchHead {
  readonly targets: readonly Target[];
  readonly firstSteps: readonly FirstStep[];
  readonly rows: readonly StepRow[];
}

export async function stepsHtml(report: StepsReport): Promise<string> {
  const { rows, firstSteps, targets } = report;
  const caption = html`<b>Figure 1.</b> Time of a training step, and its arithmetic, over the last frozen layer; both relative to nothing frozen. Where the lines meet, freezing saves as much time as work.`;
  const table = ruled(
    ['Step'],
    [
      'ms',
      'Images/s',
      'GFLOP',
      'GFLOP/s',
      'MiB',
      'Over the least',
      'First run, ms',
      'Time / share',
      "By the network's",
    ],
    rows.map((row) => [
      row.name,
      time(row.timing),
      row.imagesPerSecond.toPrecision(3),
      (row.flops / 1e9).toPrecision(3),
      (row.flops / row.timing.median / 1e6).toFixed(1),
      (row.bytes / 2 ** 20).toFixed(0),
      overLeast(row).toFixed(2),
      ms(row.firstRun),
      row.overShare?.toFixed(2) ?? '',
      row.overNetworkShare?.toFixed(2) ?? '',
    ]),
  );
  const first = ruled(
    ['Network'],
    ['Batch', 'Caches cold, s', 'Caches warm, s'],
    firstSteps.map(({ network, batch, cold, warm }) => [
      network,
      batch,
      (cold / 1000).toFixed(2),
      (warm / 1000).toFixed(2),
    ]),
  );
  return benchPage(report, 'Whole steps', [
    await figure('Freezing', (size) => freezingFigure(rows, size), 'Share of time and arithmetic', caption),
    section('Every step', table),
    firstSteps.length > 0 && section('From the start of the process to the end of the first training step', first),
    section('What is to be reached', targetsTable(targets)),
  ]);
}

export interface PeersReport extends BenchHead {
  readonly roofline: Roofline;
  readonly peers: readonly FoundPeer[];
  readonly missing: readonly MissingPeer[];
  readonly targets: readonly Target[];
  readonly rows: readonly PeerRow[];
}

export async function peersHtml(report: PeersReport): Promise<string> {
  const { rows, peers, missing, targets } = report;
  const [ours, ...others] = peers;
  const onAdapter = others.filter(({ on }) => on === 'adapter').map(({ name }) => name);
  const caption = html`<b>Figure 1.</b> How many times as long as frostline each peer takes; right of the line frostline is the faster. Peers on the processor (${
    others
      .filter(({ on }) => on === 'processor')
      .map(({ name }) => name)
      .join(', ') || 'none here'
  }) are there for scale.`;
  const table = ruled(
    ['Case'],
    [...peers.map(({ name, version }) => `${name} ${version}, ms`), 'Best peer on the adapter / ours'],
    rows.map((row) => {
      const best = bestPeer(row, onAdapter);
      return [
        row.name,
        ...peers.map(({ name }) => {
          const outcome = row.outcomes[name];
          if (outcome?.status !== 'timed') return outcome?.status === 'unsupported' ? '–' : (outcome?.status ?? '');
          const ratio = name === ours.name ? undefined : ratioTo(row, name);
          return ratio === undefined ? time(outcome.timing) : `${ms(outcome.timing.median)} (${ratio.toPrecision(2)}×)`;
        }),
        best === undefined ? '' : `${best.ratio.toPrecision(2)}×`,
      ];
    }),
  );
  const remarks = rows.flatMap(({ name, outcomes }) =>
    Object.entries(outcomes).flatMap(([peer, outcome]) => {
      if (outcome.status === 'timed') return [];
      const text =
        outcome.status === 'wrong'
          ? `${outcome.output} is ${outcome.error.toPrecision(2)} of its size off`
          : outcome.reason;
      return [
        html`<tr><td class="text">${name}</td><td class="text">${peer}</td><td class="wrap">${outcome.status}: ${text}</td></tr>`,
      ];
    }),
  );
  return benchPage(report, 'Beside other frameworks', [
    html`<p class="lead">The same layers and steps, in turn, each framework in a process of its own. Outputs were compared with frostline’s first; what is wrong was not timed.</p>`,
    missing.length > 0 &&
      html`<p>Left out: ${missing.map(({ name, reason }) => `${name} (${reason})`).join('; ')}.</p>`,
    await figure(
      'Times',
      (size) =>
        peersFigure(
          rows,
          others.map(({ name }) => name),
          size,
        ),
      'Times relative to frostline',
      caption,
    ),
    section('Every case', table),
    section('What is to be reached', targetsTable(targets)),
    remarks.length > 0 &&
      section(
        'Not timed',
        html`<div class="scroll" tabindex="0"><table class="ruled lines"><thead><tr><th class="text">Case</th><th class="text">Peer</th><th class="text">Why</th></tr></thead><tbody>${remarks}</tbody></table></div>`,
      ),
  ]);
}

function benchPage(head: BenchHead, title: string, sections: readonly Content[]): string {
  const { adapter, frostline, date: iso } = head;
  const heading = html`<header>
<p class="kicker">frostline ${frostline} · ${date(iso)}</p>
<h1>${title}</h1>
<dl class="facts">
<dt>Adapter</dt><dd>${adapter.name} (${adapter.kind})</dd>
<dt>Times</dt><dd>medians; after ± 1.4826 times the median distance to the median</dd>
</dl>
</header>`;
  const footer = html`Made by frostline ${frostline} on ${date(iso)}. The same numbers are in the command’s JSON.`;
  return page({ title: `frostline: ${title}`, version: frostline, sections: [heading, html`${sections}`], footer });
}

const section = (title: string, content: Html) => html`<section><h2>${title}</h2>
${content}</section>`;

async function figure(title: string, draw: Parameters<typeof twoSizes>[0], label: string, caption: Html) {
  const drawn = await twoSizes(draw, label, caption);
  return drawn && section(title, drawn);
}

function targetsTable(targets: readonly Target[]): Html {
  return ruled(
    ['What'],
    ['Least', 'Aim', 'Measured', ''],
    targets.map(({ what, least, aim, reached, verdict, below }) => [
      what,
      `${below ? '≤ ' : '≥ '}${least}`,
      `${below ? '≤ ' : '≥ '}${aim}`,
      reached?.toPrecision(3) ?? '',
      verdict,
    ]),
  );
}

/** A table whose first columns are text and whose others are numbers. */
function ruled(texts: readonly string[], numbers: readonly string[], rows: readonly (readonly Content[])[]): Html {
  const head = [
    ...texts.map((name) => html`<th class="text" scope="col">${name}</th>`),
    ...numbers.map((name) => html`<th scope="col">${name}</th>`),
  ];
  const body = rows.map(
    (cells) =>
      html`<tr>${cells.map((cell, i) => (i < texts.length ? html`<td class="text">${cell}</td>` : html`<td>${cell}</td>`))}</tr>`,
  );
  return html`<div class="scroll" tabindex="0"><table class="ruled wide dense"><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

const ms = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

const time = ({ median, spread }: Timing) => `${ms(median)} ± ${ms(spread)}`;
