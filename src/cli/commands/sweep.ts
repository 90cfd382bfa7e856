import { join } from 'node:path';
import { z } from 'zod';
import { FrostlineError } from '../../errors.ts';
import { adapterOption, openAdapter } from '../adapter.ts';
import { defineCommand } from '../command.ts';
import { countProgress } from '../count-progress.ts';
import {
  dataOptions,
  dataSource,
  divisionOptions,
  fitOptions,
  fitSettings,
  logitsOption,
  modelOptions,
  modelSource,
  scoreOptions,
  strategyOption,
} from '../experiment-options.ts';
import { noteLeftOut, noteNumbers } from '../model-options.ts';
import { printedOptions, typedRows } from '../printed-options.ts';
import { CellFollower, openTrackers, trackingOptions } from '../tracking.ts';

export const sweepOptions = {
  model: z.string().optional().meta({ valueName: 'FILE|NAME' }).describe('ONNX file, or a name from weights list'),
  ...modelOptions,
  ...dataOptions,
  freeze: z
    .array(z.union([z.number(), z.string()]))
    .min(1)
    .default(['all-points'])
    .describe('freeze points: numbers or names of layers, none, all; or all-points'),
  tuneOnly: z
    .array(z.string())
    .min(1)
    .optional()
    .meta({ valueName: 'BLOCKS' })
    .describe('further points: blocks that alone are trained beside the new layer, as in conv3..conv5,conv1+fc7'),
  strategy: z
    .array(strategyOption)
    .min(1)
    .optional()
    .meta({ valueName: 'STRATEGIES' })
    .describe(
      'how each point is trained, side by side: direct, head-first[=EPOCHS], gradual[=EPOCHS], layer-decay=FACTOR; YAML files of phases are further points',
    ),
  learningRates: z.array(z.number().positive()).min(1).optional().describe('global learning rates'),
  allFrozenRates: z
    .array(z.number().positive())
    .optional()
    .describe('further rates of the new layer, tried with all others frozen'),
  momentum: z
    .array(z.number().min(0).lt(1))
    .min(1)
    .optional()
    .describe('of SGD, the paper has 0.99; of Adam beta 1; several are tried side by side, as in 0.99,0.9'),
  ...fitOptions,
  ...scoreOptions,
  epochs: fitOptions.epochs.unwrap().optional().describe('passes over the training images; 6'),
  augment: fitOptions.augment.unwrap().optional().describe('random changes of the images; paper, quick starts none'),
  ...divisionOptions,
  select: z
    .enum(['validation', 'test'])
    .optional()
    .describe(
      'where rates and the best cell are chosen: on the validation part, or as the paper did on the test part, whose scores are then too good; test, unless --validation-fraction is given',
    ),
  budget: z
    .number()
    .int()
    .min(1)
    .optional()
    .meta({ valueName: 'EPOCHS' })
    .describe(
      'successive halving: after so many epochs the better half of points and rates goes on, by the validation part, and again after twice as many; cells that end are those of the full grid to the bit',
    ),
  repeats: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe('runs of each cell on each split, with seeds counting up from --seed'),
  keep: z
    .enum(['best', 'all', 'none'])
    .default('best')
    .describe("trained networks that are kept, as model.onnx in the cell's folder"),
  logits: logitsOption,
  out: z.string().optional().meta({ valueName: 'DIR' }).describe('folder of the grid (default runs/PRESET)'),
  title: z.string().optional().describe('heading of the report'),
  shard: z
    .string()
    .regex(/^\d+\/\d+$/, 'expected I/N, as in 1/4')
    .optional()
    .meta({ valueName: 'I/N' })
    .describe('run every N-th cell from the I-th on, beside other processes of the same grid and --out'),
  merge: z
    .boolean()
    .default(false)
    .describe('run no cell: gather the results of shards, which must be complete, and write the report'),
  dryRun: z
    .boolean()
    .default(false)
    .describe('run no cell: list them with their arithmetic and a time, from a few steps that are timed and dropped'),
  ...printedOptions,
  ...trackingOptions,
  adapter: adapterOption,
};

export const command = defineCommand({
  description:
    'Runs the freezing experiment: fine-tunes a pretrained network once for every freeze point and learning rate, and compares. A grid that was interrupted goes on where it stopped; a finished cell is never run again.',
  arguments: z.object({
    preset: z
      .enum(['quickstart', 'textures', 'paper-alexnet', 'paper-vgg16'])
      .optional()
      .describe('a named experiment'),
  }),
  options: z.object(sweepOptions),
  json: true,
  examples: [
    { what: 'the shipped experiment', line: 'quickstart' },
    { what: 'the same on images far from the pretraining', line: 'textures' },
    { what: 'the paper on PH2', line: 'paper-alexnet --data PH2Dataset' },
    {
      what: 'your own images',
      line: '--model vgg16-12 --data photos --freeze all-points --learning-rates 1e-4 --momentum 0.9 --out runs/photos',
    },
  ],
  async run(values, context) {
    const [
      { presets },
      { openExperiment },
      { aboutNormalization },
      { aboutNumbers, hasPaperNumbers },
      grid,
      { allFreezePoints },
      { writeReport },
      { terminalTable },
      { gridProgress },
      { protocolOf },
      { verdictText },
      { halvingLines },
      { bestCell },
      { withFiles },
      { acrossLosses, DeviceLostError },
      { visible, visibleName },
    ] = await Promise.all([
      import('../../train/presets.ts'),
      import('../../train/experiment.ts'),
      import('../../models/describe.ts'),
      import('../../models/numbering.ts'),
      import('../../train/grid.ts'),
      import('../../train/plan.ts'),
      import('../../report/write.ts'),
      import('../../report/terminal.ts'),
      import('../progress.ts'),
      import('../../train/protocol.ts'),
      import('../../report/verdict-text.ts'),
      import('../../report/halving-text.ts'),
      import('../../train/select.ts'),
      import('../../report/input.ts'),
      import('../../gpu/lost.ts'),
      import('../../text.ts'),
    ]);
    const preset: import('../../train/presets.ts').Preset | undefined = values.preset && presets[values.preset];
    const model = values.model ?? preset?.model;
    if (model === undefined) throw new FrostlineError('No model: give a preset, or --model FILE|NAME.');
    const learningRates = values.learningRates ?? preset?.learningRates;
    if (learningRates === undefined) throw new FrostlineError('No learning rates: give --learning-rates LIST.');
    const data = values.data ?? preset?.data;
    // A preset's momentum is SGD's: as beta 1 of Adam it would mean something else.
    const usual = (values.optimizer ?? 'sgdm') === 'sgdm' ? preset?.momentum : undefined;
    // `merge` hands on a grid's settings, in which one momentum is a number.
    const momenta = [...new Set([values.momentum ?? usual ?? 0.9].flat())];
    const [momentum] = momenta;
    const epochs = values.epochs ?? preset?.epochs ?? 6;
    const augment = values.augment ?? preset?.augment ?? 'paper';
    const allFrozenRates = values.allFrozenRates ?? preset?.allFrozenRates ?? [];
    const out = values.out ?? `runs/${values.preset ?? 'sweep'}`;
    const { seed, newLayerFactor } = values;
    const repeats = values.repeats ?? preset?.repeats ?? 1;
    const splits = values.folds === undefined ? (values.splits ?? preset?.splits ?? 1) : undefined;
    const select = values.select ?? (values.validationFraction > 0 ? 'validation' : 'test');

    const only = cellsToRun(values);
    const typed = await typedRows(values.printed, values.printedCounts);
    if (values.budget !== undefined && values.shard !== undefined) {
      throw new FrostlineError(
        '--budget and --shard: what is dropped hangs on all cells. Start the same sweep several times without --shard: ' +
          'each process claims cells.',
      );
    }
    const source = dataSource({ ...values, data }, undefined, { splits, folds: values.folds });
    const gpu = await openAdapter(values.adapter, context, undefined, values.precision);
    const decoding = countProgress(context, 'images decoded');
    const experiment = await openExperiment(modelSource(model, values), source, seed, decoding.update, (text) =>
      context.note(`warning: ${text}`),
    );
    decoding.stop();
    for (const note of experiment.dataset.notes) context.note(`data: ${note}`);
    const normalization = aboutNormalization(experiment.network, values.batchNorm === 'batch');
    if (normalization !== undefined) context.note(`normalisation: ${normalization}`);
    noteLeftOut(experiment.network, context);
    const meant = preset?.paper;
    if (meant !== undefined && !hasPaperNumbers(experiment.network, meant)) {
      context.note(`warning: ${aboutNumbers(experiment.network)} Name layers by their names.`);
    } else if (values.freeze.some((point) => typeof point === 'number')) {
      await noteNumbers(experiment.network, context);
    }
    const freeze = values.freeze.flatMap((point) =>
      point === 'all-points' ? allFreezePoints(experiment.network) : [point],
    );
    const { parseStrategy } = await import('../strategies.ts');
    const strategies = values.strategy && (await Promise.all(values.strategy.map(parseStrategy)));
    const tuneOnly = values.tuneOnly?.map((block) => block.split('+').map((text) => text.trim()));
    const ownData = values.data !== undefined;
    const fit = await fitSettings({ ...values, momentum, epochs, augment });
    const plan = {
      title:
        values.title ?? preset?.title ?? `How deep to freeze ${experiment.source.name} on ${experiment.dataset.name}`,
      freeze,
      tuneOnly,
      strategies,
      learningRates,
      momenta,
      newLayerFactor,
      allFrozenRates,
      layerDecay: values.layerDecay,
      seeds: Array.from({ length: repeats }, (_, i) => seed + i),
      select,
      positive: values.positive,
      sensitivity: values.sensitivity,
      keep: values.keep === 'none' ? undefined : values.keep,
      logits: values.logits,
      budget: values.budget,
      fit,
      protocol: protocolOf(experiment, source, fit, seed, preset?.assumptions, momenta),
      notes: {
        model: values.model === undefined ? preset?.notes.model : undefined,
        dataset: ownData ? undefined : preset?.notes.dataset,
      },
    };
    if (values.dryRun) {
      const { rehearseGrid } = await import('../../train/rehearsal.ts');
      const rehearsal = await rehearseGrid(gpu, experiment, plan, context.signal);
      const { rehearsalText } = await import('../../report/rehearsal.ts');
      return context.json ? context.printJson(rehearsal) : context.print(rehearsalText(rehearsal));
    }
    const settings = {
      ...recorded(values),
      model,
      data: source.dataset?.path,
      splits,
      select,
      freeze,
      tuneOnly,
      strategy: strategies,
      learningRates,
      allFrozenRates,
      newLayerFactor,
      repeats,
      seed,
      momentum: momenta.length > 1 ? momenta : momentum,
      epochs,
      augment,
    };
    let progress: import('../progress.ts').GridProgress | undefined;
    let skipped = 0;
    let waiting = false;
    let planned: readonly import('../../train/plan.ts').PlannedCell[] = [];
    let running: import('../../train/plan.ts').PlannedCell | undefined;
    let ended = 0;
    context.defer(() => {
      if (!context.signal.aborted) return;
      context.note(`interrupted after ${skipped + ended} cells, which are in ${out}; the same command goes on there`);
    });
    const { StoppedError } = await import('../../train/checkpoint.ts');
    const tracker = values.merge ? undefined : await openTrackers(values, { out, title: plan.title }, context);
    const follower = new CellFollower(tracker, { epochs });
    // Cells that this process runs, by their place among all.
    let mine: number[] = [];
    const hooks: import('../../train/grid.ts').GridHooks = {
      signal: context.signal,
      stop: context.stopSignal(),
      only,
      onResume(index, steps) {
        context.note(`cell ${index + 1} goes on after step ${steps}`);
        follower.resume(steps);
      },
      onPlan(cells) {
        follower.plan(cells);
        planned = cells;
        mine = [...cells.keys()].filter((index) => only?.(index) !== false);
        skipped = 0;
        if (mine.length === 0) return;
        const shown = gridProgress(
          mine.map((index) => ({ ...cells[index], label: visibleName(cells[index].label) })),
          { stream: context.stderr },
        );
        progress = shown;
        context.defer(() => shown.stop());
      },
      onSkip(index) {
        skipped++;
        if (mine.includes(index)) progress?.skip(mine.indexOf(index));
      },
      onWait(left) {
        if (!waiting) context.note(`waiting for ${left} cells that other processes run in ${out}`);
        waiting = true;
      },
      onBegin(index) {
        running = planned[index];
        progress?.begin(mine.indexOf(index));
        follower.begin(index);
      },
      onStep(record, steps) {
        const { step, epoch, loss, imagesPerSecond } = record;
        const { epochs } = running!;
        progress?.update({ step: step + 1, steps, epoch: epoch + 1, epochs, loss, imagesPerSecond });
        follower.step(record);
      },
      onPause() {
        progress?.pause();
      },
      onDrop(index) {
        if (mine.includes(index)) progress?.drop(mine.indexOf(index));
      },
      onEnd(_, cell) {
        const { status, metrics, error } = cell;
        follower.end(cell);
        ended++;
        progress?.end(status, status === 'done' ? `F1 ${metrics!.f1.toFixed(3)}` : visible(error ?? ''));
      },
    };
    let device = gpu;
    const ending = acrossLosses(
      gpu,
      () => openAdapter(values.adapter, context, undefined, values.precision),
      (opened) => {
        device = opened;
        return grid.runGrid(opened, experiment, plan, settings, out, hooks);
      },
      ({ message }, losses) => {
        progress?.stop();
        context.note(
          `${message.split('. ')[0]}. Finished cells are kept; going on with the device opened anew (${losses} of 3)`,
        );
      },
    );
    const result = await ending.catch((error: unknown) => {
      progress?.stop();
      if (error instanceof DeviceLostError) {
        throw new DeviceLostError(
          `${error.message}. Finished cells are kept in ${out}: the same command goes on there`,
        );
      }
      if (!(error instanceof StoppedError)) throw error;
      return error;
    });
    progress?.stop();
    if (result instanceof StoppedError) {
      return context.stopped(`stopped ${result.message}; the same command goes on there`);
    }
    if (typed !== undefined) {
      const { keepPrinted } = await import('../../report/printed-file.ts');
      await keepPrinted(out, typed);
    }
    if (typeof result === 'number') {
      const missing = `${result === 1 ? '1 cell' : `${result} cells`} of ${out} ${result === 1 ? 'has' : 'have'} no result yet`;
      if (values.merge) throw new FrostlineError(`${missing}. Wait for the shards, or send the missing ones again.`);
      context.note(`${missing}: other shards run them, and the last one to end writes the report`);
      return context.json ? context.printJson({ missing: result }) : undefined;
    }
    if (!values.merge && skipped === result.cells.length) {
      context.note(`Every cell was finished before. To run them anew, delete ${out} or give another --out.`);
    }
    await savePictures(device, experiment, result, fit.augment, out);
    const paths = await writeReport(out, await withFiles(out, result));
    const { saveWinner } = await import('../../report/winner.ts');
    const winner = await saveWinner(out, result);
    if (context.json) return context.printJson(result);
    context.print(terminalTable(result, { columns: context.stdout.columns }), { coloured: true });
    if (result.verdict !== undefined) context.print(verdictText(result.verdict));
    for (const line of halvingLines(result)) context.print(line);
    for (const { point, why } of result.leftOut ?? []) context.print(`${point} is left out of the verdict: ${why}`);
    const best = bestCell(result.cells, select);
    if (best !== undefined) {
      context.print(`The best cell, to the bit: frostline train --from ${join(out, best.folder!)} --export best.onnx`);
    }
    context.print([...Object.values(paths), ...Object.values(winner ?? {})].join('\n'));
    if (result.cells.every(({ status }) => status !== 'done')) context.checkFailed('Every cell failed or diverged.');
  },
});

/** Pictures for the report: of what is wrong, and of what augmentation does. */
async function savePictures(
  gpu: import('../../gpu/device.ts').Gpu,
  experiment: import('../../train/experiment.ts').Experiment,
  result: import('../../train/results.ts').GridResult,
  augment: import('../../data/augment.ts').AugmentPreset,
  out: string,
): Promise<void> {
  const { makePictures, PICTURES } = await import('../../train/pictures.ts');
  const { writeFilesIn } = await import('../../files.ts');
  const pictures = await makePictures(gpu, experiment, result, augment, out);
  if (pictures !== undefined) await writeFilesIn(out, { [PICTURES]: `${JSON.stringify(pictures)}\n` });
}

/** The options that tell how cells are run: all but where, on what, and by how many processes. */
function recorded<
  Values extends Partial<
    Record<
      'out' | 'adapter' | 'shard' | 'merge' | 'dryRun' | 'tensorboard' | 'mlflow' | 'printed' | 'printedCounts',
      unknown
    >
  >,
>(values: Values) {
  const { out: _, adapter: __, shard: ___, merge: ____, dryRun: _____, ...told } = values;
  const { tensorboard: a, mlflow: b, printed: c, printedCounts: d, ...rest } = told;
  return rest;
}

/** Of a shard its own cells, of a merge none; nothing where one process runs all. */
function cellsToRun({ shard, merge }: { shard?: string; merge: boolean }): ((index: number) => boolean) | undefined {
  if (shard === undefined) return merge ? () => false : undefined;
  if (merge)
    throw new FrostlineError(`--shard ${shard} and --merge: a shard runs cells, a merge none. Give one of them.`);
  const [own, of] = shard.split('/').map(Number);
  if (own < 1 || own > of) throw new FrostlineError(`--shard ${shard}: expected 1/${of} to ${of}/${of}.`);
  return (index) => index % of === own - 1;
}
