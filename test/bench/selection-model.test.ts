/**
 * Two models tell what a step takes on a GPU: the estimates by which `select` chooses algorithms, and the roofline of the
 * dispatches that come of it. Where they disagree, a step is chosen that is known to be slower: no algorithm that is forced
 * may make it much quicker.
 */
import { describe, expect, it } from 'vitest';
import { planStep } from '../../src/bench/plan.ts';
import { plannedGpu } from '../../src/gpu/planned.ts';
import { alexnet, alexnetSmall } from '../../src/models/tables.ts';
import { decisionsIn } from '../../src/operators/algorithms/algorithm.ts';

/** Relative: what estimates that do not know the whole step may miss. */
const MISSED = 0.06;

describe.each(['h100', 'rtx-4090', 'navi31', 'apple-m2', 'xe'])(
  'a step of AlexNet made small, as planned for %s',
  (name) => {
    it.each([1, 32])('of %s images is not known to be quicker by an algorithm that was not chosen', (batch) => {
      const planned = (algorithms?: Readonly<Record<string, string>>) => {
        // Of layers that an algorithm does not compute it would tell each time.
        const gpu = Object.assign(plannedGpu(name, { algorithms }), { notice: () => {} });
        return planStep(gpu, alexnetSmall({ classes: 1000 }), batch, 'none').ms;
      };
      const gpu = plannedGpu(name);
      const made = decisionsIn(gpu, () => planStep(gpu, alexnetSmall({ classes: 1000 }), batch, 'none'));
      // Where an algorithm computes no layer of a kind, forcing it changes nothing.
      const rivals = new Map<string, Set<string>>();
      for (const { decision, selected } of made) {
        const names = rivals.get(decision.purpose) ?? new Set();
        for (const { name: other, milliseconds } of selected.others) if (milliseconds !== undefined) names.add(other);
        rivals.set(decision.purpose, names);
      }
      const chosen = planned();
      const quicker: string[] = [];
      for (const [purpose, names] of rivals) {
        for (const other of names) {
          const forced = planned({ [purpose]: other });
          if (forced < (1 - MISSED) * chosen)
            quicker.push(`${purpose} by ${other}: ${forced} in place of ${chosen} ms`);
        }
      }
      expect(rivals.size).toBeGreaterThan(3);
      expect(quicker).toEqual([]);
    });

    it('of more images takes no less time', () => {
      const network = alexnet({ classes: 1000 });
      const times = [1, 2, 4, 10, 16].map((batch) => planStep(plannedGpu(name), network, batch, 'none').ms);
      const falls = times.slice(1).filter((ms, i) => ms < 0.99 * times[i]);
      expect(falls, times.join(', ')).toEqual([]);
    });
  },
);
