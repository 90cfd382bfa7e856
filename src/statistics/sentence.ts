/** The verdict in words: what can be told, what cannot, and what it holds for. */
import type { Baseline } from './baseline.ts';

interface Found {
  readonly title: string;
  readonly level: number;
  readonly splits: number;
  readonly runs: number;
  readonly points: readonly {
    readonly point: string;
    readonly score: number;
    readonly interval: readonly [low: number, high: number];
  }[];
  readonly best: string;
  /** Those with the best's score, the best included. */
  readonly tied: readonly string[];
  readonly set: readonly string[];
  readonly baseline: Baseline;
  /** Mean loss of some points against the best, and the half-width of its interval. */
  loss(of: readonly string[]): { readonly loss: number; readonly half: number };
}

/** 'a', 'a or b', 'a, b or c' */
export function listed(names: readonly string[], last = 'or'): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} ${last} ${names.at(-1)}`;
}

/** Blocks and ways of training have names of several words: of those no depth can be spoken. */
const isDepth = (name: string) => !/\s/.test(name);

/** 'none' is the one point that is no depth. */
function freezing(names: readonly string[], areDepths: boolean): string {
  if (!areDepths) return listed(names.map((name) => `'${name}'`));
  const depths = names.filter((name) => name !== 'none');
  if (depths.length === 0) return 'freezing nothing';
  const through = `freezing through ${listed(depths)}`;
  return names.length > depths.length ? `freezing nothing or ${through}` : through;
}

const capital = (text: string) => text[0].toUpperCase() + text.slice(1);

/** What is worth nothing, however it ranks: said first. */
function baselineText({ title, points, best, baseline }: Found): string {
  const { score, interval } = points.find(({ point }) => point === best)!;
  const always = `the classifier that always says '${baseline.label}' (${title} ${baseline.score.toFixed(2)})`;
  if (score <= baseline.score + 1e-12) return `No freeze point beats ${always}, so none can be recommended. `;
  if (interval[0] <= baseline.score) return `Not even the best can be told from ${always}. `;
  return '';
}

/** Points are taken to stand in order of depth, as a grid writes them, if all are depths. */
export function sentenceOf(found: Found): string {
  return baselineText(found) + comparison(found);
}

function comparison(found: Found): string {
  const { title, level, splits, runs, points, best, tied, set } = found;
  const where = splits > 1 ? 'on this data' : `for this split${runs > 1 ? '' : ' and this seed'}`;
  const scoreOf = (name: string) => points.find(({ point }) => point === name)!.score;
  const inSet = set.map(scoreOf);
  const range =
    set.length === 1
      ? `${title} ${inSet[0].toFixed(2)}`
      : `${title} ${Math.min(...inSet).toFixed(2)} to ${Math.max(...inSet).toFixed(2)}`;
  const percent = `${Number((100 * level).toPrecision(4))} %`;
  const limit = splits > 1 ? '' : ' What other splits would give is not known from one.';

  if (set.length === points.length) {
    const equal = tied.length === points.length ? ' Every point has the same score.' : '';
    return (
      `No freeze point can be told from the best at ${percent} ${where} (${range}).${equal} ` +
      `To tell them apart takes more images${splits > 1 ? '' : ' or more splits'}.${limit}`
    );
  }
  const order = points.map(({ point }) => point);
  const areDepths = order.every(isDepth);
  const head =
    set.length === 1
      ? `${capital(freezing(set, areDepths))} is best ${where} (${range})`
      : `${capital(freezing(set, areDepths))} cannot be told apart at ${percent} ${where} (${range})`;

  const [first, last] = [order.indexOf(set[0]), order.indexOf(set.at(-1)!)];
  const groups: [string, string[]][] = areDepths
    ? [
        ['freezing less', order.slice(0, first)],
        ['what lies between', order.slice(first, last).filter((point) => !set.includes(point))],
        ['freezing more', order.slice(last + 1)],
      ]
    : [['the rest', order.filter((point) => !set.includes(point))]];
  const losses = groups
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => {
      const { loss, half } = found.loss(names);
      return `${what} (${listed(areDepths ? names : names.map((name) => `'${name}'`), 'and')}) loses ${loss.toFixed(2)} ± ${half.toFixed(2)} of ${title}`;
    });
  const against = set.length === 1 ? '' : ` against ${areDepths ? best : `'${best}'`}`;
  return `${head}; ${losses.join('; ')}${against}.${limit}`;
}
