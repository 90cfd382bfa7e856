/** Every decision that operators leave to `select`, with its trials; `tune` measures these. */
import type { DecisionTrials } from '../graph/trial.ts';
import { convolutionTrials } from './conv2d/trials.ts';
import { linearTrials } from './linear/trials.ts';

export const decisionTrials: readonly DecisionTrials[] = [...convolutionTrials, ...linearTrials];
