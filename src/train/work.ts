/**
 * What a process computes for the cells of a grid, one after another, in multiply-adds, without computing it: which cell
 * finds what an earlier one has left, and which makes it anew, as feature-store.ts decides. `run` goes the way of
 * `Divisions`, `PhaseSteps`, `TrainingStep` and `runCell`; test/train/work.test.ts holds it against what they dispatch.
 */
import { count, inferShapes } from '../models/shapes.ts';
import { splitNetwork } from '../models/split.ts';
import { multiplyAdds } from './arithmetic.ts';
import type { TrainingData } from './data.ts';
import type { Experiment } from './experiment.ts';
import {
  bytesOf,
  cutOf,
  drawOf,
  type FeaturePlace,
  FeatureStore,
  keptEpochs,
  MOST_BYTES,
  sharesFeatures,
  standsStill,
} from './feature-store.ts';
import { trainedBy } from './phases.ts';
import type { GridPlan, PlannedCell } from './plan.ts';
import type { Phase } from './strategy.ts';

/** A piece of a cell's work: a program that runs again and again. */
export interface Piece {
  /** frozen layers apart from the steps; steps; looks at the validation or the test part */
  readonly kind: 'frozen' | 'steps' | 'scores';
  readonly runs: number;
  /** of a run, which is a batch */
  readonly multiplyAdds: number;
  /** of steps: what is trained, and the value that they begin behind */
  readonly program?: StepProgram;
}

export interface StepProgram {
  readonly masks: Phase['masks'];
  readonly cut: string | undefined;
}

export const workOf = (pieces: readonly Piece[]): number =>
  pieces.reduce((sum, { runs, multiplyAdds: each }) => sum + runs * each, 0);

export const runsOf = (pieces: readonly Piece[]): number => pieces.reduce((sum, { runs }) => sum + runs, 0);

/** What of a cell's pieces is behind it after so many of their steps. */
export function behindIn(pieces: readonly Piece[], steps: number): Piece[] {
  const behind: Piece[] = [];
  let left = steps;
  for (const piece of pieces) {
    if (left === 0) break;
    const runs = piece.kind === 'steps' ? Math.min(left, piece.runs) : piece.runs;
    if (piece.kind === 'steps') left -= runs;
    behind.push({ ...piece, runs });
  }
  return behind;
}

type Sized = { readonly byteLength: number };

/** The step that lies compiled, as `PhaseSteps` keeps one. */
interface Compiled {
  readonly key: string | undefined;
  readonly cut: string | undefined;
  readonly store: FeatureStore<Sized>;
}

/** How many samples each part of a division has. */
type Parts = Readonly<Record<'train' | 'validation' | 'test', number>>;

/** What all that is reckoned of a grid has in common. */
interface Common {
  readonly experiment: Experiment;
  readonly plan: GridPlan;
  readonly still: boolean;
  readonly shared: boolean;
  readonly most: number;
  readonly parts: Map<number, Parts>;
  /** multiply-adds and names of trained parameters, by what they are of */
  readonly known: Map<string, unknown>;
}

export class GridWork {
  private readonly common: Common;
  private at: { readonly division: number; readonly store: FeatureStore<Sized> | undefined } | undefined;
  private compiled: Compiled | undefined;

  private constructor(common: Common) {
    this.common = common;
  }

  /** Before the first cell. @param cells of the grid, finished ones too; @param most bytes of features that are kept */
  static of(experiment: Experiment, plan: GridPlan, cells: number, most = MOST_BYTES): GridWork {
    const still = standsStill(experiment.train, plan.fit.augment);
    const shared = sharesFeatures(cells, { divisions: experiment.divisions, seeds: plan.seeds.length });
    return new GridWork({ experiment, plan, still, shared, most, parts: new Map(), known: new Map() });
  }

  copy(): GridWork {
    const copy = new GridWork(this.common);
    const store = this.at?.store?.copy();
    copy.at = this.at && { ...this.at, store };
    // A step's store is the division's, or its own.
    copy.compiled = this.compiled && {
      ...this.compiled,
      store: this.compiled.store === this.at?.store ? store! : this.compiled.store.copy(),
    };
    return copy;
  }

  /** Steps of an epoch. */
  stepsAnEpoch(division: number): number {
    return Math.floor(this.partsOf(division).train / this.common.plan.fit.batchSize);
  }

  /**
   * What the next cell computes, in order. Where no phase stops early.
   * @param from epochs that it has behind it; @param until epochs after which it waits; to its end, with its scores, unless
   *   given
   */
  run(cell: PlannedCell, from = 0, until = cell.epochs): Piece[] {
    const { division, seed, phases } = cell;
    const parts = this.partsOf(division);
    if (this.at?.division !== division) {
      this.at = { division, store: this.common.shared ? new FeatureStore<Sized>(this.common.most) : undefined };
      this.compiled = undefined;
    }
    const pieces: Piece[] = [...this.first(phases[0])];
    let begin = 0;
    for (const [p, phase] of phases.entries()) {
      const end = begin + phase.epochs;
      if (end > from && begin < until) {
        pieces.push(...(p === 0 ? this.first(phase) : this.later(phase)));
        const step = this.step(phase);
        for (let epoch = Math.max(begin, from); epoch < Math.min(end, until); epoch++) {
          pieces.push(...this.show(seed, epoch), step, ...this.scores(parts.validation));
        }
      }
      begin = end;
    }
    if (until >= cell.epochs) pieces.push(...this.scores(parts.validation), ...this.scores(parts.test));
    return pieces;
  }

  private first(phase: Phase): Piece[] {
    const key = JSON.stringify([phase.masks, phase.epochs]);
    return this.compiled?.key === key ? [] : this.compile(phase, key, this.at!.store);
  }

  private later(phase: Phase): Piece[] {
    return this.compile(phase, undefined, undefined);
  }

  /** @param shared where features of this phase are kept from cell to cell */
  private compile(phase: Phase, key: string | undefined, shared: FeatureStore<Sized> | undefined): Piece[] {
    const { still, most, plan, experiment } = this.common;
    const epochs = keptEpochs(still, shared && phase.epochs);
    const { dropout } = plan.fit;
    const { samples } = this;
    const cut =
      epochs === undefined
        ? undefined
        : this.once(['cut', phase.masks, epochs, samples], () =>
            cutOf(experiment.network, (name) => this.trained(phase).has(name), { samples, epochs, dropout, most }),
          );
    this.compiled = { key, cut, store: shared ?? new FeatureStore<Sized>(most) };
    return still ? this.show(0, 0) : [];
  }

  /** Frozen layers of an epoch's images, as far as nobody has run them before. */
  private show(seed: number, epoch: number): Piece[] {
    const { cut, store } = this.compiled!;
    if (cut === undefined) return [];
    const { still, plan, experiment } = this.common;
    const { augment, batchSize } = plan.fit;
    const { network } = experiment;
    const drawn: Omit<FeaturePlace, 'cut'> = drawOf(still, augment, { seed, epoch });
    const head = this.once(['head', cut], () => splitNetwork(network, cut).head);
    const from = store.deepest(head, drawn);
    if (from === cut) return [];
    const byteLength = this.once(['bytes', cut, this.samples], () =>
      bytesOf(count(inferShapes(network, 1).get(cut)!), this.samples),
    );
    store.keep({ ...drawn, cut }, { byteLength }, from);
    const each = this.once(['between', from, cut], () =>
      multiplyAdds(from === undefined ? head : splitNetwork(head, from).tail),
    );
    return [{ kind: 'frozen', runs: Math.ceil(this.samples / batchSize), multiplyAdds: batchSize * each }];
  }

  /** An epoch of steps. */
  private step({ masks }: Phase): Piece {
    const { experiment, plan } = this.common;
    const { cut } = this.compiled!;
    const { network } = experiment;
    const each = this.once(['step', masks, cut], () =>
      multiplyAdds(cut === undefined ? network : splitNetwork(network, cut).tail, (name) =>
        this.trained({ masks }).has(name),
      ),
    );
    const runs = this.stepsAnEpoch(this.at!.division);
    return { kind: 'steps', runs, multiplyAdds: plan.fit.batchSize * each, program: { masks, cut } };
  }

  private scores(samples: number): Piece[] {
    if (samples === 0) return [];
    const { batchSize } = this.common.plan.fit;
    const each = this.once(['forward'], () => multiplyAdds(this.common.experiment.network));
    return [{ kind: 'scores', runs: Math.ceil(samples / batchSize), multiplyAdds: batchSize * each }];
  }

  private trained({ masks }: Pick<Phase, 'masks'>): ReadonlySet<string> {
    const { experiment, plan } = this.common;
    const { network, newParameters } = experiment;
    const { newLayerFactor } = plan;
    return this.once(
      ['trained', masks],
      () => trainedBy(network, [{ name: '', epochs: 1, rateFactor: 1, masks }], { newParameters, newLayerFactor })[0],
    );
  }

  private get samples(): number {
    return this.partsOf(this.at!.division).train;
  }

  private partsOf(division: number): Parts {
    const { parts, experiment } = this.common;
    const known = parts.get(division);
    if (known !== undefined) return known;
    const { train, validation, test } = division === 0 ? experiment : experiment.at(division);
    const size = (data: TrainingData | undefined) => data?.labels.length ?? 0;
    const made = { train: size(train), validation: size(validation), test: size(test) };
    parts.set(division, made);
    return made;
  }

  private once<T>(key: readonly unknown[], make: () => T): T {
    const { known } = this.common;
    const text = JSON.stringify(key);
    if (!known.has(text)) known.set(text, make());
    return known.get(text) as T;
  }
}
