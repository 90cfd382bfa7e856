/** What the scores mean, and what they do not. */
import { percent } from '../format.ts';
import { type Html, html } from '../markup.ts';
import { type Part, section } from '../part.ts';

export function methodSection({ grid }: Part): Html {
  const step = percent(1 / grid.dataset.test).replace(' ', '\u00a0');
  const splits = new Set(grid.cells.map(({ split }) => split)).size;
  const runs = new Set(grid.cells.map(({ split, seed }) => `${split} ${seed}`)).size;
  const choice =
    grid.select === 'validation'
      ? 'Rates and the best cell are chosen on the validation part, within each split; the test part was looked at once, at the end.'
      : 'Rates and the best cell are chosen on the test images themselves, as in the paper, which makes the scores of what is chosen too good for new images.';
  return section('How to read the scores', [
    html`<p>Precision and recall are computed for each class and averaged without weights; F1 is the harmonic mean of the two averages. A class that is never predicted has precision 1 (0/0 = 1). This is the convention of Barburiceanu, Miclea and Terebes, whose experiment this grid repeats.</p>
<p>${splits > 1 ? `The cells stand on ${splits} splits.` : 'All cells share one split.'} A test part has ${grid.dataset.test} images, so a single image moves the accuracy by ${step}: small differences between cells are within chance. ${choice}${
      runs === 1
        ? ' Other splits and seeds would give other numbers; run several (--splits, --repeats) to see how far they spread.'
        : ''
    }</p>
<p>The classifier that always says the commonest class looks at no image. Its F1 is above 0.5 on unbalanced data by this convention; a score below it is no success, however it ranks among the others.</p>`,
  ]);
}
