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
    const armText = ({ freeze, learningRate, momentum }: import('../../train/halving.ts').Arm, several: boolean) =>
      `${freezeLabel(freeze)} at ${rate(learningRate)}${several ? `, momentum ${momentum}` : ''}`;
    for (const folder of grids) {
      const { cells, settings, pending = [], dropped = [], protocol } = await readGrid(folder);
      if (pending.length + dropped.length > 0) {
        throw new FrostlineError(
          `${folder}: ${plural(pending.length + dropped.length, 'cell')} not trained to the end. Give a full grid: ` +
            'the same sweep without --budget completes it.',
        );
      }
      const { epochs, earlyStopping } = protocol?.training ?? (settings as { epochs: number; earlyStopping?: number });
      const options = { budget, epochs, earlyStopping: earlyStopping !== undefined };
      const { together, alone } = halving.whatHalvingCosts(cells, options);
      const arms = new Set(cells.map(halving.armKey)).size;
      const rungs = halving.rungEpochs(budget, epochs);
      const several = new Set(cells.map(({ momentum }) => momentum)).size > 1;
      const shown = <Cost extends import('../../train/halving.ts').HalvingCost>(cost: Cost) => ({
        ...cost,
        best: armText(cost.best, several),
        found: armText(cost.found, several),
      });
      const share = halving.shareOfSteps(arms, rungs, epochs);
      found.push({ grid: folder, arms, rungs, epochs, share, together: shown(together), alone: alone.map(shown) });
    }
    if (context.json) return context.printJson(found);
    for (const { grid, arms, rungs, epochs, share, together, alone } of found) {
      const regrets = alone.map(({ regret }) => regret);
      const taus = alone.map(({ tau }) => tau).filter(Number.isFinite);
      const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
      const survives = alone.filter(({ best, found }) => best === found).length;
      const replaced = (cost: { best: string; found: string; regret: number }) =>
        cost.best === cost.found
          ? `finds the full grid's best, ${cost.best}`
          : `finds ${cost.found} in place of ${cost.best}, regret ${score(cost.regret)}`;
      context.print(
        `${grid}: ${plural(arms, 'point')} and rates, rungs after ${rungs.join(', ')} of ${epochs} epochs, ${percent(share, 0)} of the steps`,
      );
      context.print(`  all runs together: ${replaced(together)}`);
      if (alone.length === 1) continue;
      context.print(
        `  each run alone: the best survives in ${survives} of ${alone.length}; regret ${score(mean(regrets))} on average, ` +
          `${score(Math.max(...regrets))} at most; tau of the first rung with the end ${mean(taus).toFixed(2)}`,
      );
      for (const cost of alone) {
        if (cost.best !== cost.found) context.print(`    split ${cost.split}, seed ${cost.seed}: ${replaced(cost)}`);
      }
    }
    context.print('best: by the validation part; regret: in F1 of the test part, below 0 where that choice was none');
  },
});
