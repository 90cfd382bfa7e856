/** MODEL_CARD.md (Mitchell et al. 2019): what the kept network is, what it was tested on, and what it is not for. */
import type { Estimate } from '../statistics/detail.ts';
import type { CellResult, GridResult } from '../train/results.ts';
import { freezePhrase, integer, percent, plural, rate, score } from './format.ts';
import { summarise } from './summary.ts';

/** Text within a table or a line of Markdown: nothing in it is markup. */
const plain = (text: unknown) =>
  String(text)
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[\\`*_{}[\]<>|#]/g, (c) => `\\${c}`);

const between = ({ value, interval }: Estimate) => `${score(value)} (${interval.map(score).join(' to ')})`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

export interface CardOptions {
  /** the network's file beside the card */
  readonly file: string;
  readonly sha256: string;
}

/** @param cell the best one, whose network the file holds */
export function modelCard(grid: GridResult, cell: CellResult, options: CardOptions): string {
  const { model, dataset } = grid;
  return `${[
    `# ${plain(grid.title)}: the network that was kept`,
    'This network classifies images. **It is no medical device, and must not be used for diagnosis or treatment.**',
    modelPart(grid, cell, options),
    `## Data

${plain(dataset.name)}: ${plural(dataset.train, 'training image')}${dataset.counts.validation ? `, ${dataset.counts.validation.reduce((a, b) => a + b, 0)} to choose on` : ''}, ${plural(dataset.test, 'test image')} (the first split's counts).${dataset.note ? ` ${plain(dataset.note)}` : ''}

${table(
  ['class', 'training', ...(dataset.counts.validation ? ['validation'] : []), 'test'],
  dataset.classes.map((name, c) => [
    plain(name),
    String(dataset.counts.train[c]),
    ...(dataset.counts.validation ? [String(dataset.counts.validation[c])] : []),
    String(dataset.counts.test[c]),
  ]),
)}`,
    protocolPart(grid, cell),
    scoresPart(grid, cell),
    limitsPart(grid),
    `## Use

\`\`\`sh
frostline predict ${options.file} new-photos/
frostline evaluate ${options.file} --data labelled-photos/
\`\`\`

Preprocessing and the names of the classes lie in the file's metadata (\`frostline.preprocessing\`, \`frostline.labels\`); any ONNX runtime runs the graph. Made by frostline ${grid.frostlineVersion} from ${plain(model.source)}.`,
  ].join('\n\n')}\n`;
}

function modelPart({ model, protocol }: GridResult, cell: CellResult, { file, sha256 }: CardOptions): string {
  const rows = [
    ['file', `\`${file}\`, ONNX, sha256 \`${sha256}\``],
    ['fine-tuned from', `${plain(model.name)}${model.sha256 ? `, sha256 \`${model.sha256}\`` : ''}`],
    ['parameters', integer(model.parameters)],
    ['frozen', freezePhrase(cell.freeze)],
    ['learning rate', `${rate(cell.learningRate)}, new layer ${rate(cell.newLayerRate)}`],
    ['split and seed', `${cell.split}, ${cell.seed}`],
    ['input', protocol === undefined ? 'as its metadata says' : plain(JSON.stringify(protocol.input))],
    ['trained on', plain(`${cell.adapter.name} (${cell.adapter.kind})`)],
  ];
  return `## Model\n\n${table(['', ''], rows)}${model.note ? `\n\n${plain(model.note)}` : ''}`;
}

function protocolPart({ protocol, select, cells }: GridResult, cell: CellResult): string {
  const chosen =
    select === 'validation'
      ? 'It was chosen on the validation part, and the test part was looked at once.'
      : '**It was chosen on the test part itself, so the scores below are too good for new images.**';
  const lines = [
    `The best of ${plural(cells.length, 'run')} over freeze points, rates, splits and seeds. ${chosen}`,
    ...(protocol === undefined
      ? []
      : [
          `${plain(protocol.optimizer)}; ${plural(protocol.training.epochs, 'epoch')}, batches of ${protocol.training.batchSize}, momentum ${cell.momentum ?? protocol.training.momentum}, decay ${protocol.training.weightDecay}; ${cell.steps} steps. Division: ${plain(protocol.division.drawn)}.`,
          ...(protocol.assumptions.length === 0
            ? []
            : [`Assumptions:\n\n${protocol.assumptions.map((text) => `- ${plain(text)}`).join('\n')}`]),
        ]),
  ];
  return `## Protocol\n\n${lines.join('\n\n')}`;
}

function scoresPart(grid: GridResult, { metrics, detail, confusion }: CellResult): string {
  const { classes } = grid.dataset;
  if (metrics === undefined) return '## Scores\n\nNone.';
  const { baseline } = summarise(grid);
  const [low, high] = metrics.accuracyInterval;
  const rows = [
    ['accuracy', `${score(metrics.accuracy)} (${score(low)} to ${score(high)})`],
    ...(detail === undefined
      ? [['F1', score(metrics.f1)]]
      : [
          ['F1, of macro precision and macro recall', between(detail.f1)],
          ['balanced accuracy', between(detail.balancedAccuracy)],
          ['area under the ROC curve', between(detail.auc)],
          ['expected calibration error', between(detail.calibrationError)],
          ...detail.perClass.flatMap(({ name, sensitivity, specificity }) => [
            [`${plain(name)}: sensitivity`, between(sensitivity)],
            [`${plain(name)}: specificity`, between(specificity)],
          ]),
        ]),
    [`F1 of always saying ${plain(baseline.label)}`, score(baseline.f1)],
  ];
  const point = detail?.operatingPoint;
  const operating =
    point === undefined
      ? ''
      : `\n\nTo find ${percent(point.asked, 0)} of ${plain(point.positive)}, take it for one from a probability of ${point.threshold.toPrecision(3)} on (chosen on the ${point.chosenOn} part): sensitivity ${between(point.sensitivity)}, specificity ${between(point.specificity)}.`;
  const matrix =
    confusion === undefined
      ? ''
      : `\n\n${table(
          ['is \\ taken for', ...classes.map(plain)],
          confusion.map((row, r) => [plain(classes[r]), ...row.map(String)]),
        )}`;
  return `## Scores

On ${plural(metrics.total, 'test image')} of its own split, with 95 % intervals that speak of other images of the same kind, not of other splits and seeds.

${table(['score', 'value'], rows)}${operating}${matrix}`;
}

function limitsPart({ dataset, verdict, select }: GridResult): string {
  const limits = [
    'No medical device: not tested, approved or meant for diagnosis, and no person may be treated by what it says.',
    `It knows ${dataset.classes.map(plain).join(', ')} and nothing else: an image of anything else gets one of these names, too, often with a high probability.`,
    `Tested on images of ${plain(dataset.name)} alone. Other cameras, light, skin, places or people may give other scores; test on your own with \`frostline evaluate\` first.`,
    ...(select === 'validation' ? [] : ['The choice on the test part makes its scores too good.']),
    'A probability is what the network computes, not how often it is right: see the calibration error.',
    ...(verdict === undefined ? [] : [`Of the freeze point: ${plain(verdict.sentence)}`]),
  ];
  return `## Limits\n\n${limits.map((text) => `- ${text}`).join('\n')}`;
}
