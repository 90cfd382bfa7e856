/** How the results came about: protocol with its assumptions, environment, settings, and the command that repeats it. */
import { repeatCommand } from '../command.ts';
import { rate } from '../format.ts';
import { Html, html } from '../markup.ts';
import { type Part, scroll, section } from '../part.ts';

/** What a reader must not take for given. */
const assumed = new Html('<span class="badge">assumed</span>');

export function protocolSection({ grid, supplement }: Part): Html | undefined {
  const { protocol } = grid;
  const rows = protocol === undefined ? [] : flatten(protocol as unknown as Record<string, unknown>);
  const facts = rows.filter(([key]) => key !== 'assumptions');
  const assumptions = protocol?.assumptions ?? [];
  if (facts.length === 0) return undefined;
  const number = supplement.table(
    'protocol',
    ['item', 'value', 'assumed'],
    [...facts.map(([key, value]) => [key, value, 0]), ...assumptions.map((text) => ['assumption', text, 1])],
  );
  return section('Protocol', [
    assumptions.length > 0 &&
      html`<div class="keep"><p class="caption">What the paper, or the user, left open, and what was taken:</p><ul class="assumptions">${assumptions.map((text) => html`<li>${assumed} ${text}</li>`)}</ul></div>`,
    html`<p class="caption"><b>Table ${number}.</b> The protocol in full${assumptions.length > 0 && '; assumptions are marked above'}.</p>
`,
    pairsTable(facts, ['Item', 'Value']),
  ]);
}

export function settingsSection({ grid, supplement }: Part): Html | undefined {
  const rows = flatten(grid.settings);
  if (rows.length === 0) return undefined;
  const number = supplement.table('settings', ['setting', 'value'], rows);
  return section('Settings', [
    html`<p class="caption"><b>Table ${number}.</b> The configuration as used.</p>
`,
    pairsTable(rows, ['Setting', 'Value']),
  ]);
}

export function environmentSection({ grid, environment, supplement }: Part): Html {
  const lines = repeatCommand(grid.settings);
  const rows = flatten({ ...environment });
  const number = rows.length > 0 ? supplement.table('environment', ['item', 'value'], rows) : 0;
  return section('Environment, and how to repeat it', [
    rows.length > 0 &&
      html`<div class="keep"><p class="caption"><b>Table ${number}.</b> Where the grid was last begun or gone on with. On the same adapter, driver and tuning the bits are the same; others may round differently.</p>
${pairsTable(rows, ['Item', 'Value'])}</div>`,
    html`<p>The command that repeats this grid:</p>
<pre tabindex="0"><code>${lines.map((line, i) => `${i === 0 ? '' : '  '}${line}${i + 1 < lines.length ? ' \\\n' : ''}`)}</code></pre>`,
  ]);
}

function pairsTable(rows: readonly (readonly [string, string])[], [item, value]: readonly [string, string]): Html {
  return scroll(html`<table class="ruled lines">
<thead><tr><th class="text" scope="col">${item}</th><th class="text" scope="col">${value}</th></tr></thead><tbody>${rows.map(
    ([key, text]) => html`<tr><th class="text" scope="row">${key}</th><td class="wrap">${text}</td></tr>`,
  )}</tbody></table>`);
}

/** Nested settings as dotted keys with short values. */
function flatten(value: Readonly<Record<string, unknown>>, prefix = ''): [string, string][] {
  return Object.entries(value).flatMap(([key, v]): [string, string][] => {
    if (v !== null && typeof v === 'object' && !Array.isArray(v)) {
      return flatten(v as Record<string, unknown>, `${prefix}${key}.`);
    }
    if (v === undefined || (Array.isArray(v) && v.length === 0)) return [];
    const list = Array.isArray(v) && v.every((item) => item === null || typeof item !== 'object');
    return [[prefix + key, list ? v.map(settingText).join(', ') : settingText(v)]];
  });
}

function settingText(value: unknown): string {
  if (typeof value === 'number') return rate(value);
  if (value === null) return 'none';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
