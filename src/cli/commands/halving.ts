import { z } from 'zod';
import { defineCommand } from '../command.ts';

export const command = defineCommand({
  description:
    "What sweep --budget would have saved on full grids, and lost: plays successive halving on the validation scores that a finished grid keeps of each epoch, each split and seed by itself, and compares what it would have found with the grid's best. Runs nothing.",
  arguments: z.object({
    grids: z.array(z.string()).min(1).describe("a full grid's folder, the --out of a sweep; or several"),
  }),
  options: z.object({
    budget: z.number().int().min(1).meta({ valueName: 'EPOCHS' }).describe('epochs of the first rung, as in sweep'),
  }),
  json: true,
  examples: [{ what: 'both quick starts', line: 'runs/quickstart runs/textures --budget 4' }],
  async run({ grids, budget }, context) {
    const [{ readGrid }, halving, { FrostlineError }, { freezeLabel, percent, plural, rate, score }] =
      await Promise.all([
        import('../../report/read.ts'),
        import('../../train/halving.ts'),
        import('../../errors.ts'),
        import('../../report/format.ts'),
      ]);
    const found = [];
    for (const folder of grids) {
      const { cells, settings, pending = [], dropped = [], protocol } = await readGrid(folder);
      if (pending.length + dropped.length > 0) {
        throw new FrostlineError(
          `${folder}: ${plural(pending.length + dropped.length, 'cell')} were not trained to the end. Give a full grid: ` +
            'the same sweep without --budget completes it.',
        );
      }
      const { epochs, earlyStopping } = protocol?.training ?? (settings as { epochs: number; earlyStopping?: number });
      const costs = halving.whatHalvingCosts(cells, { budget, epochs, earlyStopping: earlyStopping !== undefined });
      const arms = new Set(cells.map(halving.armKey)).size;
      const rungs = halving.rungEpochs(budget, epochs);
      const mean = (of: (cost: (typeof costs)[number]) => number) =>
        costs.reduce((sum, cost) => sum + of(cost), 0) / costs.length;
      found.push({
        grid: folder,
        arms,
        rungs,
        epochs,
        share: halving.shareOfSteps(arms, rungs, epochs),
        survives: costs.filter(({ best, found }) => halving.armKey(best) === halving.armKey(found)).length,
        meanRegret: mean(({ regret }) => regret),
        largestRegret: Math.max(...costs.map(({ regret }) => regret)),
        meanTau: mean(({ tau }) => tau),
        runs: costs.map(({ split, seed, best, found, regret, tau }) => ({
          ...{ split, seed, regret, tau },
          best: `${freezeLabel(best.freeze)} at ${rate(best.learningRate)}`,
          found: `${freezeLabel(found.freeze)} at ${rate(found.learningRate)}`,
        })),
      });
    }
    if (context.json) return context.printJson(found);
    for (const { grid, arms, rungs, epochs, share, survives, meanRegret, largestRegret, meanTau, runs } of found) {
      context.print(
        `${grid}: ${plural(arms, 'point')} and rates, rungs after ${rungs.join(', ')} of ${epochs} epochs: ${percent(share, 0)} of the steps`,
      );
      context.print(
        `  the best on the validation part survives in ${survives} of ${plural(runs.length, 'run')}; regret in test F1 ` +
          `${score(meanRegret)} on average, ${score(largestRegret)} at most; tau of the first rung with the end ${meanTau.toFixed(2)}`,
      );
      for (const { split, seed, best, found, regret } of runs) {
        if (best !== found)
          context.print(`  split ${split}, seed ${seed}: ${found} in place of ${best}, ${score(regret)}`);
      }
    }
  },
});
