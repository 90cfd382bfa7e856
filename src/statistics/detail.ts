/**
 * All scores of one run from its probabilities, each with a 95 % interval: shares of images by Wilson, the area under
 * the ROC curve of two classes by DeLong, all else by weighting the images (Bayesian bootstrap; whole groups where
 * images have them). An interval speaks of other images alone: what other splits and seeds would give is the verdict's.
 */
import { FrostlineError } from '../errors.ts';
import { Random } from '../random.ts';
import { wilsonInterval } from './binomial.ts';
import { expectedCalibrationError, type ReliabilityBin, reliability } from './calibration.ts';
import { areaInterval, areaUnderRoc, type OperatingPoint, operatingPoint, ranking } from './roc.ts';
import { confusionScores } from './scores.ts';

/** A score with its interval at 95 %. */
export interface Estimate {
  readonly value: number;
  readonly interval: readonly [low: number, high: number];
}

/** Scores of one class against the rest, with intervals. */
export interface ClassDetail {
  readonly name: string;
  /** Share of the class that is found; also called recall. */
  readonly sensitivity: Estimate;
  /** Share of all others that is not taken for it. */
  readonly specificity: Estimate;
  /** Share of what is taken for it that is it; undefined where nothing is. */
  readonly precision?: Estimate;
  /** The class against the rest. */
  readonly auc: Estimate;
}

/** All scores of one set of predictions, with intervals at 95 %. */
export interface DetailedScores {
  readonly macroPrecision: Estimate;
  readonly balancedAccuracy: Estimate;
  readonly f1: Estimate;
  readonly meanClassF1: Estimate;
  /** Of two classes; of more, the mean of each against the rest. */
  readonly auc: Estimate;
  /** Expected calibration error over ten bins of the largest probability. */
  readonly calibrationError: Estimate;
  readonly reliability: readonly ReliabilityBin[];
  readonly perClass: readonly ClassDetail[];
  /** Where one class is looked for: the threshold at which enough of it is found. */
  readonly operatingPoint?: {
    readonly positive: string;
    readonly asked: number;
    readonly threshold: number;
    /** Where the threshold was chosen. On the test part itself it is too good for other images. */
    readonly chosenOn: 'validation' | 'test';
    /** Both on the test part. */
    readonly sensitivity: Estimate;
    readonly specificity: Estimate;
  };
}

/** What a run made of a part of the data. */
export interface Scored {
  readonly labels: ArrayLike<number>;
  /** [images, classes] */
  readonly probabilities: ArrayLike<number>;
}

export interface DetailOptions {
  readonly classes: readonly string[];
  /** For each test image, what must stay together; each by itself where left out. */
  readonly groups?: readonly (string | undefined)[];
  /** The class that is looked for; of two classes the rarer one where left out. */
  readonly positive?: string;
  /** Share of it that is to be found; 0.95 where left out, as for melanoma. */
  readonly sensitivity?: number;
  /** Where the threshold is chosen; on the test part where left out. */
  readonly validation?: Scored;
  readonly seed?: number;
}

const DRAWS = 1000;
const STREAM = 0x64657461;

/** @throws FrostlineError for a class that is none, or one without test images */
export function detailedScores(test: Scored, options: DetailOptions): DetailedScores {
  const { classes, groups, seed = 1 } = options;
  const labels = Array.from(test.labels);
  const row = (i: number) =>
    Array.from({ length: classes.length }, (_, c) => test.probabilities[i * classes.length + c]);
  const rows = labels.map((_, i) => row(i));
  const confidence = rows.map((own) => Math.max(...own));
  const predicted = rows.map((own, i) => own.indexOf(confidence[i]));
  const right = labels.map((label, i) => label === predicted[i]);
  const empty = classes.find((_, c) => !labels.includes(c));
  if (empty !== undefined) {
    throw new FrostlineError(`No test image is of class '${empty}'; its scores are undefined. Leave the class out.`);
  }
  const areas = classes.map((_, c) => ({
    values: rows.map((own) => own[c]),
    ranked: ranking(rows.map((own) => own[c])),
    positive: labels.map((label) => label === c),
  }));

  const scoresWith = (weights: ArrayLike<number>) => {
    const confusion = classes.map(() => new Float64Array(classes.length));
    labels.forEach((label, i) => {
      confusion[label][predicted[i]] += weights[i];
    });
    const { macroPrecision, macroRecall, f1, meanClassF1 } = confusionScores(confusion);
    const auc =
      areas.reduce((sum, { ranked, positive }) => sum + areaUnderRoc(ranked, positive, weights), 0) / classes.length;
    const calibrationError = expectedCalibrationError(confidence, right, weights);
    return { macroPrecision, balancedAccuracy: macroRecall, f1, meanClassF1, auc, calibrationError };
  };
  const value = scoresWith(labels.map(() => 1));
  const names = [...new Set(labels.map((_, i) => unitOf(groups, i)))];
  const units = labels.map((_, i) => names.indexOf(unitOf(groups, i)));
  const random = new Random(seed, STREAM);
  const drawn = Array.from({ length: DRAWS }, () => {
    const weights = names.map(() => -Math.log(1 - random.uniform()) + 1e-12);
    return scoresWith(units.map((unit) => weights[unit]));
  });
  const estimate = (key: keyof typeof value): Estimate => {
    const sorted = drawn.map((one) => one[key]).sort((a, b) => a - b);
    return { value: value[key], interval: [sorted[Math.floor(0.025 * DRAWS)], sorted[Math.ceil(0.975 * DRAWS) - 1]] };
  };
  const areaOf = (c: number): Estimate => ({
    value: areaUnderRoc(areas[c].ranked, areas[c].positive),
    interval: areaInterval(areas[c].values, areas[c].positive),
  });
  return {
    macroPrecision: estimate('macroPrecision'),
    balancedAccuracy: estimate('balancedAccuracy'),
    f1: estimate('f1'),
    meanClassF1: estimate('meanClassF1'),
    auc: classes.length === 2 ? areaOf(1) : estimate('auc'),
    calibrationError: estimate('calibrationError'),
    reliability: reliability(confidence, right),
    perClass: classes.map((name, c) => {
      const own = labels.map((label) => label === c);
      const taken = predicted.map((label) => label === c);
      const both = own.filter((is, i) => is && taken[i]).length;
      return {
        name,
        sensitivity: share(both, count(own)),
        specificity: share(own.filter((is, i) => !is && !taken[i]).length, own.length - count(own)),
        ...(count(taken) > 0 && { precision: share(both, count(taken)) }),
        auc: areaOf(c),
      };
    }),
    ...operating(test, options),
  };
}

/** Of an image without a group: itself. */
const unitOf = (groups: DetailOptions['groups'], i: number) => `${groups?.[i] ?? ''}\0${groups?.[i] ? '' : i}`;

const count = (flags: readonly boolean[]) => flags.filter(Boolean).length;

const share = (hits: number, of: number): Estimate => ({ value: hits / of, interval: wilsonInterval(hits, of) });

function operating(test: Scored, options: DetailOptions): Pick<DetailedScores, 'operatingPoint'> {
  const { classes, validation, sensitivity: asked = 0.95 } = options;
  const rarer = () => {
    const counts = classes.map((_, c) => Array.from(test.labels).filter((label) => label === c).length);
    return classes[counts.indexOf(Math.min(...counts))];
  };
  const positive = options.positive ?? (classes.length === 2 ? rarer() : undefined);
  if (positive === undefined) return {};
  const c = classes.indexOf(positive);
  if (c < 0)
    throw new FrostlineError(`--positive '${positive}': the classes are ${classes.join(', ')}. Give one of them.`);
  const of = ({ labels, probabilities }: Scored) => ({
    values: Array.from(labels, (_, i) => probabilities[i * classes.length + c]),
    is: Array.from(labels, (label) => label === c),
  });
  const chosen = of(validation ?? test);
  const { threshold }: OperatingPoint = operatingPoint(chosen.values, chosen.is, asked);
  const { values, is } = of(test);
  return {
    operatingPoint: {
      positive,
      asked,
      threshold,
      chosenOn: validation === undefined ? 'test' : 'validation',
      sensitivity: share(is.filter((one, i) => one && values[i] >= threshold).length, count(is)),
      specificity: share(is.filter((one, i) => !one && values[i] < threshold).length, is.length - count(is)),
    },
  };
}
