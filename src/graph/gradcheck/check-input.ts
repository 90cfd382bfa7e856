/** The derivative for one input: which samples are looked at, and what is made of them. */
import { Random } from '../../random.ts';
import type { Parameter } from '../tensor.ts';
import { titleOf } from './consistency.ts';
import { type Judged, judge } from './judge.ts';
import type { Settings } from './options.ts';
import { pieceProblems } from './piece-claims.ts';
import type { GradcheckInputReport, GradcheckSample } from './report.ts';
import { type Direction, Directions, elementOrder, lengthOf, randomSigns } from './sampling.ts';
import { outputNoise } from './slope.ts';
import type { Subject } from './subject.ts';

const SAMPLE_STREAM = 0x73616d70;

type Place = Pick<GradcheckSample, 'element' | 'block' | 'direction'>;

export interface GivenGradient {
  /** the input's number: of the stream of its draws */
  readonly ordinal: number;
  readonly gradient: Float32Array<ArrayBuffer>;
  readonly nondeterminism: number;
  /** what is known against it already */
  readonly problems: readonly string[];
}

/** Samples of an input's gradient, and how many places gave none. */
interface Looked {
  readonly samples: GradcheckSample[];
  kinks: number;
  hidden: number;
  onPiece: number;
}

export async function checkInput(
  subject: Subject,
  tensor: Parameter,
  given: GivenGradient,
  settings: Settings,
): Promise<{ report: GradcheckInputReport; problems: string[] }> {
  const values = await tensor.read(subject.gpu);
  const scale = lengthOf(values) / Math.sqrt(values.length) || 1;
  const random = new Random(settings.seed, SAMPLE_STREAM + given.ordinal);
  const signs = randomSigns(values.length, 0, values.length, random);
  const noises = await outputNoise(subject, tensor, values, signs, scale);
  const claims = await pieceProblems(subject, tensor, values, signs);
  const directions = new Directions(values, given.gradient, scale, random);
  const look = new Look(subject, { tensor, values, gradient: given.gradient, noises }, settings);
  await lookAround(look, tensor, directions, random, settings);
  tensor.reset(subject.gpu, values);
  return judged(tensor, given, claims, look.found);
}

/** Compares derivatives along directions, one sample at a time. */
class Look {
  readonly found: Looked = { samples: [], kinks: 0, hidden: 0, onPiece: 0 };
  private readonly subject: Subject;
  private readonly line: Pick<Parameters<typeof judge>[1], 'tensor' | 'values' | 'gradient' | 'noises'>;
  private readonly settings: Settings;

  constructor(subject: Subject, line: Look['line'], settings: Settings) {
    this.subject = subject;
    this.line = line;
    this.settings = settings;
  }

  /** Along the first of these that shows a derivative. */
  async along(tries: Iterable<Direction>, where: Partial<Place>): Promise<void> {
    const { found, line } = this;
    const { atol, rtol, eps: given } = this.settings;
    const eps = typeof given === 'number' ? given : (given[line.tensor.name] ?? 1 / 16);
    const met = new Set<'kink' | 'hidden'>();
    for (const { direction, length, size } of tries) {
      const analytic = direction.reduce((sum, value, i) => (value === 0 ? sum : sum + value * line.gradient[i]), 0);
      const verdict = await judge(this.subject, { ...line, direction, step: eps * length, analytic, size, atol, rtol });
      if (typeof verdict === 'string') {
        met.add(verdict);
        continue;
      }
      if (verdict.onPiece) found.onPiece++;
      found.samples.push(compared(analytic, verdict, where));
      return;
    }
    if (met.has('kink')) found.kinks++;
    else found.hidden++;
  }
}

/** Looks at elements, at blocks of them, and along directions over all. */
async function lookAround(
  look: Look,
  { shape, size }: Parameter,
  directions: Directions,
  random: Random,
  settings: Settings,
): Promise<void> {
  // Four times as many as asked for may be looked at, so that a kink can be replaced by another sample.
  const elements = settings.fastMode ? 0 : Math.min(settings.elements, size);
  let looked = 0;
  for (const element of elementOrder(shape, random)) {
    if (look.found.samples.length >= elements || looked++ >= 4 * elements) break;
    await look.along([directions.element(element)], { element });
  }
  const blocks = settings.fastMode || elements === size ? 0 : Math.min(settings.blocks, size);
  for (let i = 0; i < blocks; i++) {
    const [first, end] = [i, i + 1].map((part) => Math.floor((part * size) / blocks));
    // Once more where something is in the way: most of its elements are looked at nowhere else.
    await look.along(directions.over(first, end, 2), { block: [first, end] });
    if (directions.wide) await look.along([directions.shares(first, end)], { block: [first, end] });
  }
  // Only along signs that know nothing of the gradient a part of it that is missing weighs as much as what is there.
  for (let i = 0; i < settings.directions; i++) {
    await look.along(i % 2 === 0 ? directions.over(0, size, 4) : directions.mixed(4), { direction: i });
  }
}

function judged(
  tensor: Parameter,
  { gradient, nondeterminism, problems: known }: GivenGradient,
  claims: readonly string[],
  { samples, kinks, hidden, onPiece }: Looked,
): { report: GradcheckInputReport; problems: string[] } {
  const largest = (by: 'ratio' | 'absoluteError' | 'relativeError') =>
    samples.reduce<GradcheckSample | undefined>((a, b) => (a === undefined || b[by] > a[by] ? b : a), undefined);
  const worst = largest('ratio');
  const what = titleOf(tensor);
  const problems = [...known, ...claims].map((problem) => `${what}: ${problem}`);
  const bad = gradient.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) problems.push(`${what}: at element ${bad} backward gives ${gradient[bad]}`);
  const seen = samples.length + kinks + hidden;
  if (worst !== undefined && !(worst.ratio <= 1)) {
    const nothing = gradient.every((value) => value === 0) ? '; all of its gradient is 0' : '';
    problems.push(
      `${what}: ${placeOf(worst)} backward gives ${worst.analytic.toPrecision(6)}, differences give ` +
        `${worst.numeric.toPrecision(6)}; |error| ${worst.absoluteError.toPrecision(3)}, ` +
        `${worst.ratio.toPrecision(3)} times what is allowed${nothing}`,
    );
  } else if (bad < 0 && (samples.length === 0 || 2 * samples.length < seen)) {
    problems.push(
      `${what}: of ${seen} samples ${samples.length} have a derivative that differences show (${kinks} lie at a kink, ` +
        `${hidden} are hidden by noise or have no limit); at least half is needed. Move the input, widen atol and ` +
        'rtol, scale the function, or state the `pieces` of an operation that has kinks',
    );
  }
  const report: GradcheckInputReport = {
    name: tensor.name,
    shape: tensor.shape,
    passed: problems.length === 0,
    samples: samples.length,
    kinks,
    onPiece,
    hidden,
    notFinite: bad < 0 ? undefined : bad,
    maxAbsoluteError: largest('absoluteError')?.absoluteError ?? 0,
    maxRelativeError: largest('relativeError')?.relativeError ?? 0,
    largestAbsolute: largest('absoluteError'),
    largestRelative: largest('relativeError'),
    worst,
    nondeterminism,
  };
  return { report, problems };
}

function compared(analytic: number, { numeric, uncertainty, bound }: Judged, where: Partial<Place>): GradcheckSample {
  const allowed = bound + uncertainty;
  const absoluteError = Math.abs(analytic - numeric);
  const relativeError = absoluteError === 0 ? 0 : absoluteError / Math.max(Math.abs(analytic), Math.abs(numeric));
  const share = absoluteError === 0 ? 0 : absoluteError / allowed;
  const ratio = Number.isNaN(share) ? Number.POSITIVE_INFINITY : share;
  const { element, direction, block } = where;
  return {
    ...{ element, direction, block },
    ...{ analytic, numeric, uncertainty, allowed, absoluteError, relativeError, ratio },
  };
}

function placeOf({ element, block, direction }: GradcheckSample): string {
  if (element !== undefined) return `at element ${element}`;
  if (block !== undefined) return `along a direction over elements ${block[0]} to ${block[1] - 1}`;
  return `along direction ${direction}`;
}
