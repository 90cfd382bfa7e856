/**
 * Probes: what the frozen layers' features are worth at each depth, without training the network: evidence to order a
 * search by, never a verdict. Fine-tuning changes the layers above the frost line, and its best depth was found by none of
 * these reliably.
 */
import type { Gpu } from '../gpu/device.ts';
import { Random } from '../random.ts';
import { cka } from '../statistics/cka.ts';
import { gramMatrix, oneHot, spectrumOf } from '../statistics/gram.ts';
import { linearProbe } from '../statistics/linear-probe.ts';
import { logme } from '../statistics/logme.ts';
import { selectSamples } from './data.ts';
import { depthFeatures } from './depth-features.ts';
import type { Experiment } from './experiment.ts';
import type { FreezePoint } from './results.ts';

/** Of one depth. */
export interface ProbedPoint {
  readonly freeze: FreezePoint;
  /** of the features of an image, before averaging over places */
  readonly shape: readonly number[];
  /** of predictions by a linear classifier that has not seen the image, or its group */
  readonly linear: { readonly f1: number; readonly accuracy: number; readonly penalty: number };
  readonly logme: number;
  /** with the classes */
  readonly cka: number;
}

export interface Probe {
  readonly points: readonly ProbedPoint[];
  /** images probed, of the first split's training part */
  readonly images: number;
  readonly grouped: boolean;
  readonly seconds: number;
}

export interface ProbeOptions {
  /** images at most; those that are left out are drawn class by class */
  readonly most: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

const STREAM = 0x70726f62;

/** On the training part alone: the test part is not looked at. */
export async function probeDepths(gpu: Gpu, experiment: Experiment, options: ProbeOptions): Promise<Probe> {
  const { network, train, trainGroups, classes } = experiment;
  const began = performance.now();
  const chosen = drawn(train.labels, classes.length, options);
  const data = selectSamples(train, chosen);
  const groups = trainGroups && chosen.map((i) => trainGroups[i]);
  const { labels } = data;
  const indicators = oneHot(labels, classes.length);
  const labelGram = indicators.mmul(indicators.transpose());
  const points: ProbedPoint[] = [];
  for (const { freeze, shape, values } of await depthFeatures(gpu, network, data, options)) {
    options.signal?.throwIfAborted();
    const gram = gramMatrix(values, labels.length);
    const { f1, accuracy, penalty } = linearProbe(gram, labels, classes.length, groups);
    points.push({
      freeze,
      shape,
      linear: { f1, accuracy, penalty },
      logme: logme(spectrumOf(gram), labels, classes.length),
      cka: cka(gram, labelGram),
    });
  }
  return {
    points,
    images: labels.length,
    grouped: groups !== undefined,
    seconds: (performance.now() - began) / 1000,
  };
}

/** As many as may be, each class by its share, in the order of the data. */
function drawn(labels: Uint32Array, classes: number, { most, seed }: ProbeOptions): number[] {
  const all = Array.from(labels, (_, i) => i);
  if (all.length <= most) return all;
  const random = new Random(seed, STREAM);
  return Array.from({ length: classes }, (_, c) => {
    const own = all.filter((i) => labels[i] === c);
    const share = Math.max(2, Math.round((own.length * most) / all.length));
    return [...random.permutation(own.length)].slice(0, share).map((k) => own[k]);
  })
    .flat()
    .sort((a, b) => a - b);
}
