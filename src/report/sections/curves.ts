/** How the runs learned. */
import { curvesOf } from '../figures/curves.ts';
import { plural } from '../format.ts';
import { type Html, html } from '../markup.ts';
import { cellColumns, cellValues, type Part, section } from '../part.ts';

export async function curvesSection({ grid, summary, supplement }: Part): Promise<Html | undefined> {
  const curves = curvesOf(grid, summary);
  if (curves === undefined) return undefined;
  const diverged = summary.failed.filter(({ status }) => status === 'diverged').length;
  const figure = await supplement.figure(
    'learning-curves',
    curves.draw,
    'Loss over steps',
    html`${curves.validation ? 'Training and validation loss' : 'Training loss'} (cross-entropy) over the update steps, a panel for each last frozen layer, a line for each run. Training loss is a mean over neighbouring mini-batches${
      curves.validation
        ? ', validation loss is taken behind each epoch'
        : grid.cells.some(({ validation }) => validation)
          ? ''
          : '; this grid has no validation part'
    }.${curves.logarithmic && ' A loss exploded, so the axis is logarithmic.'}${
      diverged > 0 && ` ${plural(diverged, 'run')} ended above a hundred times the start: diverged, and not compared.`
    }`,
  );
  supplement.data(
    'learning-curves',
    [...cellColumns, 'part', 'step', 'loss'],
    grid.cells.flatMap((cell) => [
      ...(cell.lossHistory ?? []).map((loss, step) => [...cellValues(cell), 'training', step + 1, loss]),
      ...(cell.epochs ?? []).map(({ epoch, validationLoss }) => [
        ...cellValues(cell),
        'validation',
        Math.round((cell.steps * (epoch + 1)) / cell.epochs!.length),
        validationLoss,
      ]),
    ]),
  );
  return section('Learning curves', [figure]);
}
