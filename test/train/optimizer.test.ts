/** What an optimizer asks for, and the way from the options to the step. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fitOptions, fitSettings } from '../../src/cli/experiment-options.ts';
import { checkOptimizer, describeOptimizer } from '../../src/train/optimizer.ts';

const given = (values: object) => fitSettings({ ...z.object(fitOptions).parse(values), momentum: 0.9 });

describe('an optimizer', () => {
  it.each([
    [{ momentum: 0.9, epsilon: 1e-8 }, /--beta2 and --epsilon belong to --optimizer adam/],
    [{ momentum: 0.9, optimizer: 'sgdm', secondMomentum: 0.9 }, /--beta2 and --epsilon belong to --optimizer adam/],
    [{ momentum: 1, optimizer: 'adam' }, /--momentum 1: adam takes a number from 0 to below 1/],
    [{ momentum: 0.9, optimizer: 'adamw', secondMomentum: 1 }, /--beta2 1: adamw takes/],
    [{ momentum: 0.9, optimizer: 'adam', epsilon: 0 }, /--epsilon 0: adam takes a number between 0 and 1/],
  ] as const)('refuses %o', (settings, message) => {
    expect(() => checkOptimizer(settings)).toThrow(message);
  });

  it('takes the ends that it can compute with', () => {
    checkOptimizer({ momentum: 1 });
    checkOptimizer({ momentum: 0, optimizer: 'adam', secondMomentum: 0.5, epsilon: 1e-12 });
  });

  it('is what the options say, and SGD of a run that says nothing', async () => {
    const adam = await given({ optimizer: 'adamw', beta2: 0.99, epsilon: 1e-6, labelSmoothing: 0.1 });
    expect(adam).toMatchObject({
      optimizer: 'adamw',
      secondMomentum: 0.99,
      epsilon: 1e-6,
      labelSmoothing: 0.1,
      momentum: 0.9,
    });
    // Grids of earlier versions have none of these keys, and go on.
    expect(Object.keys(await given({})).filter((key) => /optim|second|epsilon|smooth/.test(key))).toEqual([]);
  });

  it('stands in the protocol with its numbers', () => {
    expect(describeOptimizer({ momentum: 0.9 })).toMatch(/^SGD with momentum/);
    expect(describeOptimizer({ momentum: 0.8, optimizer: 'adam' })).toMatch(
      /^Adam: g = gradient \+ decay weight; .* beta1 0\.8 \(the momentum\), beta2 0\.999, epsilon 1e-8$/,
    );
    expect(describeOptimizer({ momentum: 0.9, optimizer: 'adamw', epsilon: 1e-6 })).toMatch(
      /^AdamW: g = gradient; .* \+ epsilon\) \+ decay weight\), t from 1; .* epsilon 0\.000001$/,
    );
  });
});
