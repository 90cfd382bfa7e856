/** What this version has of what a tuning table may name: its kernels and their texts, its decisions and their algorithms. */
import type { TunedNames, TunedUse, UnusedReason } from '../gpu/tuning.ts';
import { type Choice, sameChoice } from '../kernels/kernel.ts';
import { decisionText } from '../operators/algorithms/algorithm.ts';
import { allKernels } from '../operators/kernels.ts';
import { decisionTrials } from '../operators/trials.ts';

const decisionOf = (purpose: string) => decisionTrials.find(({ decision }) => decision.purpose === purpose)?.decision;

export const tunedNames: TunedNames = {
  text(section, name) {
    if (section === 'kernels') return allKernels.get(name)?.textHash();
    const decision = decisionOf(name);
    return decision && decisionText(decision);
  },
  has(section, name, choice) {
    if (section === 'kernels') {
      const { variant, configuration } = choice as Choice;
      const known = allKernels.get(name)?.variants.find((one) => one.name === variant)?.configurations ?? [];
      return known.some((one) => sameChoice({ variant, configuration: one }, { variant, configuration }));
    }
    const { algorithms = [], measured = [] } = decisionOf(name) ?? {};
    return [...algorithms, ...measured].some((one) => one.name === choice);
  },
};

const REASONS: Readonly<Record<UnusedReason, string>> = {
  name: 'of kernels or operators that this version does not have',
  text: 'of kernels whose text is another one here',
  choice: 'that choose what this version does not have',
};

/** As '12 results for this adapter; not used: 3 of kernels or operators that this version does not have (conv3d)'. */
export function useText({ used, unused }: TunedUse): string {
  const parts = (Object.keys(REASONS) as UnusedReason[]).flatMap((reason) => {
    const those = unused.filter((one) => one.reason === reason);
    if (those.length === 0) return [];
    const results = those.reduce((sum, one) => sum + one.results, 0);
    return [`${results} ${REASONS[reason]} (${those.map(({ name }) => name).join(', ')})`];
  });
  return `${used} results for this adapter${parts.length > 0 ? `; not used: ${parts.join('; ')}` : ''}`;
}
