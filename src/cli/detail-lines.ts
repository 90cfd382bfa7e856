/** Detailed scores for the terminal. */
import type { DetailedScores, Estimate } from '../statistics/detail.ts';

/** Areas, calibration and the operating point, each with its 95 % interval. */
export function detailLines(detail: DetailedScores | undefined): string[] {
  if (detail === undefined) return [];
  const shown = ({ value, interval }: Estimate) =>
    `${value.toFixed(3)} (${interval.map((x) => x.toFixed(3)).join(' to ')})`;
  const { operatingPoint: point } = detail;
  return [
    `with 95 % intervals: F1 ${shown(detail.f1)}, AUC ${shown(detail.auc)}, calibration error ${shown(detail.calibrationError)}`,
    ...detail.perClass.map(
      ({ name, sensitivity, specificity }) =>
        `${name}: sensitivity ${shown(sensitivity)}, specificity ${shown(specificity)}`,
    ),
    ...(point === undefined
      ? []
      : [
          `to find ${100 * point.asked} % of ${point.positive}: threshold ${point.threshold.toPrecision(3)}, chosen on the ${point.chosenOn} part; ` +
            `sensitivity ${shown(point.sensitivity)}, specificity ${shown(point.specificity)}`,
        ]),
  ];
}
