/**
 * A run of one phase or several. Each phase has a compiled step of its own, for the masks are part of it; the values on
 * the device go over from one to the next, momentum does not. A checkpoint holds what the present phase's step needs and
 * what earlier phases have changed that this one does not train.
 */
import type { Gpu } from '../gpu/device.ts';
import type { Parameter } from '../graph/tensor.ts';
import { freezePoints } from '../models/layers.ts';
import type { Network } from '../models/network.ts';
import type { TrainingData } from './data.ts';
import type { EpochRecord } from './early-stopping.ts';
import { FeatureStore } from './feature-store.ts';
import { type FitHooks, type FitSettings, type Progress, type StepRecord, TrainingStep } from './fit.ts';
import { type MaskRule, type Model, masksOf, setMasks } from './model.ts';
import type { Phase } from './strategy.ts';

/** What is trained from phase to phase, beside the phases: the new layer and its factor, and rules of single parameters. */
export interface PhaseMasks {
  readonly newParameters: readonly string[];
  readonly newLayerFactor: number;
  readonly rules?: readonly MaskRule[];
}

/** The state of a run between two epochs. */
export interface RunProgress extends Progress {
  /** every step and every look at the validation part so far, of all phases */
  readonly records: readonly StepRecord[];
  readonly epochs: readonly EpochRecord[];
  /** the phases that are finished; the one under way is the next */
  readonly done: readonly PhaseRecord[];
  /**
   * values that earlier phases have changed and `state` does not hold, in the model's order; between two phases `state` is
   * empty, and all are here
   */
  readonly settled: readonly ArrayBuffer[];
}

export interface RunHooks extends Omit<FitHooks, 'onCheckpoint'> {
  /** After each epoch but the last, with all its steps done: the place to save a checkpoint. */
  onCheckpoint?(progress: RunProgress): Promise<void>;
}

/** A phase as it went. */
export interface PhaseRecord {
  readonly name: string;
  /** its first epoch, from 0, and how many it took */
  readonly from: number;
  readonly epochs: number;
}

export interface RunRecord {
  readonly records: readonly StepRecord[];
  readonly epochs: readonly EpochRecord[];
  readonly phases: readonly PhaseRecord[];
}

/** Compiles the steps of phases, one at a time; the first phase's is kept for the next run, which begins with it, too. */
export class PhaseSteps {
  private readonly gpu: Gpu;
  private readonly model: Model;
  private readonly data: TrainingData;
  private readonly masks: PhaseMasks;
  private readonly fit: Omit<FitSettings, 'learningRate' | 'seed'>;
  private readonly store: FeatureStore | undefined;
  private step: TrainingStep | undefined;
  private madeFor: string | undefined;

  /** @param options `shared`: several runs of each seed are to come, which share what their frozen layers make */
  constructor(
    gpu: Gpu,
    model: Model,
    data: TrainingData,
    masks: PhaseMasks,
    fit: Omit<FitSettings, 'learningRate' | 'seed'>,
    { shared = false } = {},
  ) {
    if (shared) this.store = new FeatureStore();
    this.gpu = gpu;
    this.model = model;
    this.data = data;
    this.masks = masks;
    this.fit = fit;
  }

  /** Of a first phase: what stands still then has the values that the network was made with, in every run. */
  async first({ masks, epochs }: Phase): Promise<TrainingStep> {
    const key = JSON.stringify([masks, epochs]);
    if (this.step !== undefined && this.madeFor === key) return this.step;
    // What stands still from here on may have been trained by the runs before.
    for (const parameter of this.model.parameters.values()) parameter.reset(this.gpu);
    const step = await this.compile(masks, this.store && { store: this.store, epochs });
    this.madeFor = key;
    return step;
  }

  /** Of a later phase: what stands still has the values that lie on the device. */
  later({ masks }: Phase): Promise<TrainingStep> {
    return this.compile(masks);
  }

  destroy(): void {
    this.step?.destroy();
    this.step = undefined;
    this.madeFor = undefined;
  }

  private async compile(
    masks: Phase['masks'],
    kept?: { readonly store: FeatureStore; readonly epochs: number },
  ): Promise<TrainingStep> {
    this.destroy();
    setMasks(this.model, { ...masks, ...this.masks });
    this.step = await TrainingStep.compile(this.gpu, this.model, this.data, this.fit, { kept });
    return this.step;
  }
}

/** For each phase the names of the parameters that it trains. */
export function trainedBy(network: Network, phases: readonly Phase[], masks: PhaseMasks): Set<string>[] {
  return phases.map((phase) => {
    const factors = masksOf(network, { ...phase.masks, ...masks });
    return new Set([...factors].flatMap(([name, factor]) => (factor === 0 ? [] : [name])));
  });
}

/** Steps of a run in which no phase stops early. */
export const plannedEpochs = (phases: readonly Phase[]) => phases.reduce((sum, { epochs }) => sum + epochs, 0);

/**
 * Trains from the model's present values through all phases, or goes on from a checkpoint.
 * @throws DivergedError as `TrainingStep.fit`
 */
export async function trainPhases(
  gpu: Gpu,
  model: Model,
  steps: PhaseSteps,
  phases: readonly Phase[],
  masks: PhaseMasks,
  fit: FitSettings,
  hooks: RunHooks,
  from?: RunProgress,
): Promise<RunRecord> {
  const trained = trainedBy(model.network, phases, masks);
  const learnable = new Set(freezePoints(model.network).flatMap(({ parameters }) => parameters));
  /** What the phases before may have changed (state that moves, too) and the state of this one's step does not hold. */
  const settledBefore = (phase: number, begun: boolean) =>
    [...model.parameters].flatMap(([name, parameter]) =>
      phase > 0 &&
      !(begun && trained[phase].has(name)) &&
      (!learnable.has(name) || trained.slice(0, phase).some((names) => names.has(name)))
        ? [parameter]
        : [],
    );
  const done: PhaseRecord[] = [...(from?.done ?? [])];
  const finished = done.reduce((sum, { epochs }) => sum + epochs, 0);
  const records = from?.records.filter(({ epoch }) => epoch < finished) ?? [];
  const epochs = from?.epochs.filter(({ epoch }) => epoch < finished) ?? [];
  let own = from !== undefined && from.state.length > 0 ? from : undefined;
  if (from !== undefined) {
    for (const [i, parameter] of settledBefore(done.length, own !== undefined).entries()) {
      parameter.reset(gpu, new Float32Array(from.settled[i]));
    }
  }
  for (const phase of phases.slice(done.length)) {
    const p = done.length;
    const start = { step: records.length, epoch: (records.at(-1)?.epoch ?? -1) + 1 };
    const step = p === 0 ? await steps.first(phase) : await steps.later(phase);
    const total = start.step + step.stepsAnEpoch() * plannedEpochs(phases.slice(p));
    const before = { records: [...records], epochs: [...epochs] };
    const progress = own && {
      ...{ state: own.state, best: own.best, start },
      records: own.records.slice(start.step),
      epochs: own.epochs.slice(epochs.length),
    };
    epochs.push(...(progress?.epochs ?? []));
    own = undefined;
    const { rateFactor, earlyStopping } = phase;
    const made = await step.fit(
      { ...fit, learningRate: fit.learningRate * rateFactor, epochs: phase.epochs, earlyStopping },
      {
        signal: hooks.signal,
        validate: hooks.validate,
        onStep: (record) => hooks.onStep?.(record, total),
        onValidation(record) {
          epochs.push(record);
          hooks.onValidation?.(record);
        },
        ...(hooks.onCheckpoint && {
          onCheckpoint: async (_, now) =>
            hooks.onCheckpoint!({
              ...{ done: [...done], state: now.state, best: now.best },
              records: [...before.records, ...now.records],
              epochs: [...before.epochs, ...now.epochs],
              settled: await readAll(settledBefore(p, true)),
            }),
        }),
      },
      progress ?? { start },
    );
    records.push(...made);
    done.push({ name: phase.name, from: start.epoch, epochs: made.at(-1)!.epoch + 1 - start.epoch });
    if (p + 1 === phases.length) break;
    const so = { done: [...done], records: [...records], epochs: [...epochs] };
    if (hooks.onCheckpoint === undefined) continue;
    await hooks.onCheckpoint({ ...so, state: [], settled: await readAll(settledBefore(p + 1, false)) });
  }
  return { records, epochs, phases: done };

  async function readAll(parameters: readonly Parameter[]): Promise<ArrayBuffer[]> {
    const values: ArrayBuffer[] = [];
    for (const parameter of parameters) values.push((await parameter.read(gpu)).buffer);
    return values;
  }
}
