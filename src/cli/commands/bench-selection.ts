import { z } from 'zod';
import type { MeasuredLayer } from '../../bench/regret.ts';
import type { DrawnLayer } from '../../bench/selection.ts';
import { FrostlineError } from '../../errors.ts';
import type { Gpu } from '../../gpu/device.ts';
import { openAdapter } from '../adapter.ts';
import { benchHead, benchOptions, chooseByName } from '../bench-options.ts';
import { type Context, defineCommand } from '../command.ts';
import { gridProgress } from '../progress.ts';

/** What the largest layer's forward pass may take, some tenths of a second at most by its plain algorithm. */
const GFLOP = { hardware: 100, software: 0.5, embedded: 0.02 } as const;

export const command = defineCommand({
  description:
    'How good the choice among algorithms is on this adapter, for layers that it was not made for. Draws convolutions, fully connected layers and matrix products as networks have them, by a seed; for each decision of their training steps, checks and times every algorithm that computes the case, in turns; and says for how many layers the algorithms that the estimates choose are within 10 % of the quickest ones, by the time of a step. Choices of frostline tune do not count: this is what holds where nobody has tuned. Exits with 1 where an algorithm computes wrongly.',
  options: z.object({
    operators: z.array(z.string()).optional().describe('whose layers; conv2d, linear, ...: all if left out'),
    shapes: z.int().min(1).default(30).describe('layers of each operator'),
    seed: z.int().min(0).default(1).describe('that the layers are drawn by: the same ones on every machine'),
    gflop: z
      .number()
      .positive()
      .optional()
      .describe(
        "of the largest layer's forward pass; none is drawn below a thousandth. 100, on a rasteriser in software 0.5, on the embedded one 0.02",
      ),
    filter: benchOptions.filter.describe("only layers with one of these in their name, as 'conv2d 7:' or 'stride 2'"),
    budget: z
      .number()
      .positive()
      .default(1)
      .meta({ valueName: 'SECONDS' })
      .describe('that timing may take for each decision; it ends earlier where the algorithms can be told apart'),
    stopAfter: z
      .number()
      .positive()
      .optional()
      .meta({ valueName: 'SECONDS' })
      .describe('begin no further layer after these, and tell of those that were measured'),
    everyAlgorithm: z
      .boolean()
      .default(false)
      .describe('those too that no estimate tells from others, which tune alone chooses'),
    estimates: z.boolean().default(false).describe("a table too of how each algorithm's estimates stand to its times"),
    worst: z.int().min(0).default(10).describe('layers to be listed, those with the worst choices first'),
    adapter: benchOptions.adapter,
  }),
  json: true,
  examples: [
    { what: 'is my card served well?', line: '' },
    { what: 'where the estimates are off', line: '--operators conv2d --shapes 100 --estimates' },
    { what: 'one layer again', line: '--filter "conv2d 7:" --budget 5' },
  ],
  async run(options, context) {
    const { operators, shapes, seed, filter, worst, adapter } = options;
    const [{ drawLayers, layerName }, { freshLayers }, { decisionSummaries, estimateSummaries, summaryOf }] =
      await Promise.all([
        import('../../bench/selection.ts'),
        import('../../operators/trials.ts'),
        import('../../bench/regret.ts'),
      ]);
    const known = freshLayers.map(({ operator }) => operator);
    const unknown = operators?.find((one) => !known.includes(one));
    if (unknown !== undefined) {
      throw new FrostlineError(
        `--operators: '${unknown}' chooses among no algorithms. Give some of ${known.join(', ')}.`,
      );
    }
    const gpu = await openAdapter(adapter, context);
    const { gflop = GFLOP[gpu.kind] } = options;
    const wanted = freshLayers.filter(({ operator }) => operators?.includes(operator) ?? true);
    const all = wanted.flatMap((fresh) => drawLayers(fresh, { seed, count: shapes, gflop }));
    const drawn = chooseByName(all, layerName, filter);
    const layers = await measure(gpu, drawn, options, context);
    if (layers.length === 0) throw new FrostlineError('--stop-after: no layer was measured. Give it more seconds.');
    if (context.json) {
      const { everyAlgorithm } = options;
      return context.printJson({
        ...benchHead(gpu),
        drawn: { operators: wanted.map(({ operator }) => operator), shapes, seed, gflop, everyAlgorithm },
        left: drawn.length - layers.length,
        summary: summaryOf(layers),
        decisions: decisionSummaries(layers),
        estimates: estimateSummaries(layers),
        layers,
      });
    }
    const text = await import('../selection-text.ts');
    context.print(await text.decisionTable(layers));
    if (worst > 0) context.print(await text.worstTable(layers, worst));
    if (options.estimates) context.print(await text.estimateTable(layers));
    if (layers.some(({ choices }) => choices.some(({ settled }) => !settled))) {
      context.print('~ could not be told from others within the budget');
    }
    if (layers.length < drawn.length) context.print(text.leftText(drawn.length - layers.length));
    context.print(`layers of up to ${gflop} GFLOP forward, seed ${seed}`);
    context.print(text.summaryText(layers));
  },
});

/** One layer after another, with a line of progress for each. */
async function measure(
  gpu: Gpu,
  drawn: readonly DrawnLayer[],
  { budget, stopAfter, everyAlgorithm }: { budget: number; stopAfter?: number; everyAlgorithm: boolean },
  context: Context,
): Promise<MeasuredLayer[]> {
  const { layerName, measureLayer } = await import('../../bench/selection.ts');
  const progress = gridProgress(
    drawn.map((one) => ({ label: layerName(one), cost: one.layer.flops + 1e7 })),
    { stream: context.stderr, noun: 'layers' },
  );
  context.defer(() => progress.stop());
  const begin = performance.now();
  const layers: MeasuredLayer[] = [];
  for (const [index, one] of drawn.entries()) {
    context.signal.throwIfAborted();
    if (stopAfter !== undefined && performance.now() - begin > 1000 * stopAfter) break;
    progress.begin(index);
    const measured = await measureLayer(gpu, one, { seconds: budget, everyAlgorithm });
    layers.push(measured);
    progress.end('done', `${measured.ratio.toFixed(2)} times the best`);
    for (const { purpose, candidates } of measured.choices) {
      for (const { name, wrong } of candidates) {
        if (wrong === undefined) continue;
        context.checkFailed(
          `${measured.name}, ${purpose}, ${name}: wrong, ${wrong.toPrecision(3)} times the tolerance`,
        );
      }
    }
  }
  progress.stop();
  return layers;
}
