/** What an experiment is opened from: sources that are none are refused before anything is read. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FrostlineError } from '../../src/errors.ts';
import { openExperiment } from '../../src/train/experiment.ts';

const model = { model: 'random/alexnet-small' };
const path = join(import.meta.dirname, '..', '..', 'samples', 'fashion-two');
const data = { dataset: { path }, trainFraction: 0.75 };

it.each([
  [{ keepHed: true }, {}, "openExperiment's model has no option 'keepHed'. It has model, preprocessing"],
  [{ keepHead: 'yes' }, {}, "keepHead is 'yes'. Give true or false."],
  [{ model: undefined }, {}, "openExperiment's model: model is undefined. Give a text."],
  [{}, { trainFractoin: 0.5 }, "openExperiment's data has no option 'trainFractoin'."],
  [{}, { trainFraction: 2 }, "trainFraction is 2. Give a number above 0, at most 1, or 'given'."],
  [{}, { trainFraction: undefined }, 'trainFraction is undefined.'],
  [{}, { duplicates: 'x' }, "duplicates is 'x'. Give 'tell' or 'together'."],
  [{}, { splits: 0 }, 'splits is 0. Give a whole number of 1 or more.'],
  [{}, { folds: 1 }, 'folds is 1. Give a whole number of 2 or more.'],
  [{}, { validationFraction: 1 }, 'validationFraction is 1. Give a number from 0 to below 1.'],
  [{}, { tensors: { images: 'x.npy' } }, "openExperiment's tensors: labels is undefined."],
])('refuses %o with %o', async (ownModel, ownData, words) => {
  const opened = openExperiment({ ...model, ...ownModel } as never, { ...data, ...ownData } as never, 1);
  const error = await opened.catch((reason) => reason);
  expect(error).toBeInstanceOf(FrostlineError);
  expect(error.message).toContain(words);
});
