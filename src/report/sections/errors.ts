/** Images: those that the best network has wrong, those that are hard for all, and what augmentation makes of them. */
import { freezeLabel, percent, plural } from '../format.ts';
import { Html, html } from '../markup.ts';
import { type Part, runLabel, scroll, section } from '../part.ts';
import type { Pictures } from '../pictures.ts';

type Wrong = Pictures['wrong'][number];

export function errorsSection(part: Part): Html | undefined {
  const { pictures, grid } = part;
  if (pictures === undefined) return undefined;
  const cell = grid.cells.find(({ folder }) => folder === pictures.cell);
  const { wrong, wrongCount, heatLayer, withoutHeat } = pictures;
  const where = cell && [freezeLabel(cell.freeze), `rate ${cell.learningRate}`, runLabel(grid, cell)].filter(Boolean);
  const lead = html`<p class="caption">${
    wrongCount === 0
      ? 'The best cell has every test image right'
      : `The best cell has ${plural(wrongCount, 'test image')} wrong${wrong.length < wrongCount ? `; the ${wrong.length} surest errors are shown` : ''}`
  } (${where?.join(', ') ?? pictures.cell}).${
    heatLayer !== undefined && wrong.length > 0
      ? html` Beside each stands Grad-CAM (Selvaraju et al. 2017) for the predicted class and for the true one at ${heatLayer}: where a change would raise the class’s score. It shows what this network looked at, not why, and nothing about what is to be seen in such an image.`
      : withoutHeat && html` ${withoutHeat}`
  }</p>`;
  return section('Images that the best cell has wrong', [
    lead,
    wrong.length > 0 && html`<div class="errors">${wrong.map((one) => wrongCard(one))}</div>`,
    hardest(part),
  ]);
}

function wrongCard({ image, label, predicted, probabilities, picture, heat, heatOfLabel }: Wrong): Html {
  const shown = [
    [picture, image, 'the image'],
    [heat, `Grad-CAM for ${predicted}`, predicted],
    [heatOfLabel, `Grad-CAM for ${label}`, label],
  ] as const;
  const likely = Object.entries(probabilities)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 4)
    .map(([name, p]) => html`<li><span>${name}</span> <span>${percent(p)}</span></li>`);
  return html`<div class="card error"><div class="pictures">${shown.map(
    ([source, alt, text]) =>
      source && html`<figure><img src="${source}" alt="${alt}"><figcaption>${text}</figcaption></figure>`,
  )}</div><p><b>${label}</b> taken for <b>${predicted}</b></p><ul>${likely}</ul><p class="name">${image}</p></div>`;
}

/** Images that most runs have wrong, whatever was frozen. */
function hardest({ pictures, supplement }: Part): Html | undefined {
  const hard = pictures?.hard ?? [];
  if (hard.length === 0) return undefined;
  const number = supplement.table(
    'hardest-images',
    ['image', 'class', 'runs', 'wrong'],
    hard.map(({ image, label, runs, wrong }) => [image, label, runs, wrong]),
  );
  const rows = hard.map(
    ({ image, label, runs, wrong, picture }) =>
      html`<tr><td class="text"><img class="thumb" src="${picture}" alt=""></td><th class="text wrap" scope="row">${image}</th><td class="text wrap">${label}</td><td>${wrong} of ${plural(runs, 'run')}</td></tr>`,
  );
  return html`<div class="keep"><h3>Hard for all</h3>
<p class="caption"><b>Table ${number}.</b> Test images that most runs have wrong, over all freeze points and rates. What nothing classifies rightly may be labelled wrongly, or not be told from its picture.</p>
${scroll(html`<table class="ruled lines"><thead><tr><th></th><th class="text" scope="col">Image</th><th class="text" scope="col">Class</th><th scope="col">Wrong</th></tr></thead><tbody>${rows}</tbody></table>`)}</div>`;
}

export function augmentedSection({ pictures }: Part): Html | undefined {
  if (pictures === undefined || pictures.augmented.length === 0) return undefined;
  const rows = pictures.augmented.map(
    ({ image, original, drawn }) =>
      html`<div class="samples"><figure><img src="${original}" alt="${image}, as it is"><figcaption>as it is</figcaption></figure>${drawn.map(
        (one, epoch) =>
          html`<figure><img src="${one}" alt="${image}, epoch ${epoch + 1}"><figcaption>epoch ${epoch + 1}</figcaption></figure>`,
      )}</div>`,
  );
  return section('Augmented training images', [
    html`<p class="caption">Training images as the network’s input had them, with its normalisation taken back: warped on the device, drawn anew in each epoch.</p>`,
    new Html(rows.map(({ text }) => text).join('')),
  ]);
}
