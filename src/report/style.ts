/** The report's style sheet: a journal supplement on screen, in the dark, on a phone and on paper. */
export const style = /* css */ `
:root {
  color-scheme: light dark;
  --page: #fbfbf9; --card: #ffffff; --ink: #1b1f24; --soft: #59616b; --rule: #1b1f24; --hair: #dcdfe3;
  --ice: #0072b2; --ember: #d55e00; --new: #009e73; --bad: #b3261e; --wash: #eef3f7;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171b; --card: #1b1f25; --ink: #e6e8ea; --soft: #9aa3ad; --rule: #aab2bb; --hair: #343a42;
    --ice: #56a8dc; --ember: #f0843a; --new: #3cc49a; --bad: #ff8a80; --wash: #1f262e;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 Charter, "Bitstream Charter", "Sitka Text", Cambria, Georgia, serif;
}
main { max-width: 60rem; margin: 0 auto; padding: 2.75rem 1.5rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .4rem; font-weight: 600; letter-spacing: -.01em; text-wrap: balance; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 3rem 0 .75rem; font-weight: 600; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; font-weight: 600; }
p { margin: .6rem 0; }
.sans, table, figure svg, .facts, .strip, .cards, summary, nav, .kicker, footer {
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
.kicker { color: var(--soft); font-size: .85rem; margin: 0 0 .6rem; }
.lead { font-size: 1.12rem; margin: 0 0 1.5rem; max-width: 48rem; text-wrap: pretty; }
.lead strong { font-weight: 600; }
.notes { margin: 1.5rem 0; padding: .9rem 1.2rem; background: var(--wash); border-left: 3px solid var(--ice); font-size: .95rem; }
.notes p { margin: .3rem 0; text-wrap: pretty; }
.verdicts dt { font-weight: 600; margin-top: .9rem; } .verdicts dd { margin: .15rem 0 0; font-size: 1.05rem; text-wrap: pretty; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.5rem; margin: 1.5rem 0; font-size: .9rem; line-height: 1.45; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.facts small { color: var(--soft); font-size: .82em; }
figure { margin: 1.25rem 0 0; }
figcaption, .caption { color: var(--soft); font: .9rem/1.5 Charter, "Bitstream Charter", "Sitka Text", Cambria, Georgia, serif; text-align: left; text-wrap: pretty; }
figcaption { margin-top: .6rem; }
figcaption b, .caption b { color: var(--ink); font-weight: 600; }
figure svg { display: block; width: 100%; height: auto; overflow: visible; }
.narrow { display: none; }
.unfinished { margin: 0 0 1rem; padding: .6rem .9rem; border: 1px solid var(--ember); border-radius: 4px; font-size: .95rem; }
.badge { display: inline-block; padding: 0 .45em; border-radius: 3px; background: var(--ember); color: var(--page); font: 600 .72rem/1.5 system-ui, sans-serif; vertical-align: .1em; }
.assumptions { list-style: none; margin: .4rem 0 1rem; padding: 0; font-size: .95rem; }
.assumptions li { margin: .35rem 0; text-wrap: pretty; }
pre { overflow-x: auto; margin: .7rem 0 1.25rem; padding: .8rem 1rem; background: var(--wash); border-radius: 4px; font-size: .82rem; line-height: 1.5; }
h3 + .caption { margin-top: 0; }
.scroll { overflow-x: auto; margin: .7rem 0 1.25rem; }
.scroll:focus-visible { outline: 2px solid var(--ice); }
table { border-collapse: collapse; font-size: .86rem; line-height: 1.35; font-variant-numeric: tabular-nums lining-nums; }
.wide { width: 100%; }
th, td { padding: .32rem .65rem; text-align: right; white-space: nowrap; }
th { font-weight: 600; }
th.text, td.text { text-align: left; }
.ruled thead th { border-top: 2px solid var(--rule); border-bottom: 1px solid var(--rule); vertical-align: bottom; white-space: normal; }
.ruled tbody:last-of-type tr:last-child > * { border-bottom: 2px solid var(--rule); }
.ruled tbody + tbody tr:first-child > * { border-top: 1px solid var(--hair); }
.ruled tbody th { font-weight: inherit; text-align: left; }
.ruled small { display: block; color: var(--soft); font-size: .82em; font-weight: 400; white-space: normal; }
.ruled .group th { color: var(--soft); font-style: italic; padding-top: .6rem; }
.lines tbody tr + tr > * { border-top: 1px solid var(--hair); }
tr.best, tr.best > *, td.best { font-weight: 700; }
.dense { font-size: .8rem; } .dense th, .dense td { padding-inline: .32rem; }
.failed { color: var(--bad); }
td.wrap, th.wrap { white-space: normal; text-align: left; min-width: 9rem; overflow-wrap: anywhere; }
.heat td { border: 2px solid var(--page); min-width: 6.2rem; text-align: center; padding: .42rem .6rem;
  background: color-mix(in srgb, var(--ice) calc(var(--share) * 1%), var(--card)); }
.heat td small { display: block; font-size: .78em; opacity: .8; font-weight: 400; }
.heat th { font-weight: 400; } .heat thead th { text-align: center; color: var(--soft); }
.heat tbody th { text-align: left; }
.heat td.best { outline: 2px solid var(--ink); outline-offset: -2px; }
.heat td.failed { background: none; }
.strip { display: grid; grid-template-columns: repeat(auto-fit, minmax(2.9rem, 1fr)); gap: 3px; margin: 1.1rem 0 .4rem; font-size: .72rem; }
.strip span { padding: .5rem .2rem; text-align: center; border-radius: 2px; line-height: 1.25; overflow-wrap: anywhere; color: #fff; border-bottom: 4px solid transparent; background-clip: padding-box; }
.strip b { display: block; font-weight: 600; font-size: .85rem; }
.strip .cold { background-color: #0072b2; } .strip .warm { background-color: #b84f00; } .strip .fresh { background-color: #00775a; }
.strip .in { border-bottom-color: var(--ink); }
.key::before { content: ""; display: inline-block; width: .7em; height: .7em; border-radius: 2px; margin-right: .35em; background: var(--c); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(var(--least), 1fr)); gap: 1rem; margin: .6rem 0 1.4rem; }
.pairs { font-size: .8rem; } .pairs th { font-weight: 400; color: var(--soft); } .pairs thead th { text-align: center; }
.pairs td { text-align: center; padding: .3rem .45rem; border: 2px solid var(--page); background: color-mix(in srgb, var(--tint) calc(var(--share) * 1%), var(--card)); }
.pairs td small { display: block; font-size: .85em; opacity: .8; }
.pairs .up { --tint: var(--ice); } .pairs .down { --tint: var(--ember); } .pairs .self { --tint: transparent; --share: 0; color: var(--soft); }
.pairs .told { font-weight: 700; outline: 2px solid var(--ink); outline-offset: -3px; }
.errors { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: 1rem; margin: .8rem 0 1.4rem; font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.pictures, .samples { display: flex; gap: .4rem; } .samples { margin: .6rem 0; }
.pictures figure, .samples figure { margin: 0; flex: 1 1 0; min-width: 0; } .samples figure { max-width: 7.5rem; }
.pictures img, .samples img { display: block; width: 100%; border-radius: 2px; }
.pictures figcaption, .samples figcaption { margin-top: .25rem; font: .72rem/1.3 system-ui, sans-serif; overflow-wrap: anywhere; text-align: center; }
.error ul { list-style: none; margin: .3rem 0; padding: 0; font-size: .78rem; font-variant-numeric: tabular-nums; }
.error li { display: flex; justify-content: space-between; gap: .6rem; overflow-wrap: anywhere; }
.error p { margin-top: .5rem; } .error .name { color: var(--soft); font-size: .72rem; margin: 0; }
.thumb { display: block; width: 2.4rem; border-radius: 2px; }
.card { background: var(--card); border: 1px solid var(--hair); border-radius: 4px; padding: .7rem .8rem; min-width: 0; max-width: 30rem; overflow-x: auto; break-inside: avoid; }
.card.best { outline: 2px solid var(--ink); outline-offset: -1px; }
.card h4 { margin: 0 0 .45rem; font-size: .82rem; font-weight: 600; display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 .5rem; }
.card h4 span { font-weight: 400; color: var(--soft); }
.card p { margin: 0; font-size: .82rem; overflow-wrap: anywhere; }
.matrix { width: 100%; font-size: .8rem; table-layout: fixed; }
.matrix th { font-weight: 400; color: var(--soft); padding: .15rem .3rem; white-space: normal; overflow-wrap: anywhere; hyphens: auto; font-size: .72rem; line-height: 1.2; text-align: center; vertical-align: bottom; }
.matrix tbody th { text-align: right; vertical-align: middle; }
.matrix td { text-align: center; padding: .35rem .2rem; border: 1px solid var(--card); }
.matrix .hit { background: color-mix(in srgb, var(--ice) calc(var(--share) * .62%), var(--card)); }
.matrix .miss { background: color-mix(in srgb, var(--ember) calc(var(--share) * .75%), var(--card)); }
details { margin: .6rem 0; border-top: 1px solid var(--hair); padding-top: .6rem; }
summary { cursor: pointer; font-size: .92rem; font-weight: 600; }
summary span { font-weight: 400; color: var(--soft); }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--hair); color: var(--soft); font-size: .82rem; }
@media (max-width: 640px) {
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.55rem; }
  .lead { font-size: 1.05rem; }
  .facts { grid-template-columns: 1fr; gap: 0; } .facts dd { margin-bottom: .6rem; }
  .regular { display: none; } .narrow { display: block; }
  th, td { padding: .32rem .5rem; }
  .scroll { margin-inline: -1rem; padding-inline: 1rem; }
  .heat td { min-width: 4.6rem; padding: .4rem .3rem; }
}
@media print {
  :root { color-scheme: light; --page: #fff; --card: #fff; --ink: #000; --soft: #444; --rule: #000; --hair: #ccc; --wash: #f4f6f8; --ice: #0072b2; --ember: #d55e00; --bad: #b3261e; }
  body { font-size: 10.5pt; } main { max-width: none; padding: 0; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2, h3, h4, summary, .caption:has(+ .scroll), .caption:has(+ .cards), .caption:has(+ details), .caption:has(+ .errors), .caption:has(+ .samples), .group { break-after: avoid; }
  figure, tr, .card, .strip, .keep, .samples, pre { break-inside: avoid; } thead { display: table-header-group; }
  h2 { margin-top: 2rem; } pre { white-space: pre-wrap; }
  .scroll { overflow: visible; } table { font-size: 8.5pt; } .dense { font-size: 7pt; } .dense th, .dense td { padding-inline: .2rem; }
  .pairs.many { font-size: 5.5pt; width: 100%; } .pairs.many th, .pairs.many td { padding: .1rem; white-space: normal; overflow-wrap: anywhere; border-width: 1px; }
  details:not([open])::details-content { content-visibility: visible; display: block; }
  @page { margin: 18mm 16mm; }
}
`;
