/**
 * What a grid of fine-tuning runs yields: plain data that is written as JSON and read by the report. One cell is one
 * run: a freeze point, a learning rate, the new layer's rate and a seed.
 */
import type { DetailedScores } from '../statistics/detail.ts';
import type { Verdict } from '../statistics/verdict.ts';
import type { EpochRecord } from './early-stopping.ts';
import type { FrozenRecord } from './frozen.ts';
import type { Halving } from './halving.ts';
import type { ConfusionMatrix, Metrics } from './metrics.ts';
import type { PhaseRecord } from './phases.ts';
import type { Protocol } from './protocol.ts';
import type { Select } from './select.ts';
import type { Training } from './strategy.ts';

/**
 * A point of a grid. Most are the frost line of a run: this layer and every one before it keep their pretrained weights.
 * Others train a block of layers ('only conv3..conv5') or phases of their own, with the number null.
 */
export interface FreezePoint {
  /** MATLAB's layer number (the input is 1); null where no first layers are frozen. */
  readonly number: number | null;
  /** The layer's name, 'none' where nothing is frozen, or what the point is called. */
  readonly name: string;
  /** True on the deepest point: all but the new layer is frozen. */
  readonly all?: boolean;
  /** How it was trained, where not at once: 'head first', 'gradual', 'layer decay 0.5'. */
  readonly method?: string;
}

/** Equal for what is the same point of a grid. */
export const pointKey = ({ number, name, method = '' }: FreezePoint): string => `${number ?? ''}|${name}|${method}`;

/** What a point is called in tables and verdicts: the layer's name, and how it was trained where not at once. */
export const pointName = ({ name, method }: FreezePoint): string =>
  method === undefined ? name : `${name}, ${method}`;

/** True of a frost line: some first layers frozen, or none, and the rest trained at once. */
export const isDepth = ({ number, name, method }: FreezePoint): boolean =>
  method === undefined && (number !== null || name === 'none');

export const isSamePoint = (a: FreezePoint, b: FreezePoint): boolean => pointKey(a) === pointKey(b);

/** What a cell ran on. */
export interface GridAdapter {
  readonly name: string;
  readonly driver: string;
  readonly kind: 'hardware' | 'software' | 'embedded';
}

/** A finished cell of a grid: what was trained, its scores and predictions, or why it failed. */
export interface CellResult {
  /** Hash of the configuration that made it, config.json's: a result of another one is not taken for one's own. */
  readonly configuration?: string;
  readonly freeze: FreezePoint;
  /** Global rate: that of layers with mask 1. */
  readonly learningRate: number;
  /** Rate of the new layer: the global rate times its mask, 10 in the paper. */
  readonly newLayerRate: number;
  /** SGD's, or Adam's beta 1; results of earlier versions have it in the grid's settings alone. */
  readonly momentum?: number;
  /** What was trained, as it was asked for; of results of earlier versions `freeze` says it. */
  readonly training?: Training;
  /** '1' for the first split or fold. */
  readonly split: string;
  readonly seed: number;
  /** Where its files lie, below the grid's folder, with forward slashes. */
  readonly folder?: string;
  /** Failed: the loss, or a probability, is not finite. Diverged: finite, but the loss ended far above its start. */
  readonly status: 'done' | 'diverged' | 'failed';
  /** Why it failed, as shown to the user. */
  readonly error?: string;
  /** Of the test set; both there when done. */
  readonly metrics?: Metrics;
  readonly confusion?: ConfusionMatrix;
  /** Names of the rows and columns of all confusion matrices here. */
  readonly classes?: readonly string[];
  /** Scores with intervals, areas, calibration, per class; from the test part's probabilities. */
  readonly detail?: DetailedScores;
  /** Of the validation part, where there is one: what rates and best cells are chosen on. */
  readonly validation?: { readonly metrics: Metrics; readonly confusion: ConfusionMatrix };
  /** Every test image was predicted as this one class: a threshold's fault as often as the features'. */
  readonly constant?: string;
  /** Share of the training images classified rightly during the last epoch, augmented and with dropout as trained. */
  readonly trainAccuracy?: number;
  readonly finalLoss?: number;
  /** The validation part's scores after each epoch, where there is one; early stopping keeps the last `best` epoch. */
  readonly epochs?: readonly EpochRecord[];
  /** How the phases went, where there are several. */
  readonly phases?: readonly PhaseRecord[];
  /** That what is frozen stood still; none where nothing is. */
  readonly frozen?: FrozenRecord;
  readonly adapter: GridAdapter;
  /** Wall time of this cell. */
  readonly seconds: number;
  /** Update steps made. */
  readonly steps: number;
  /** Mini-batch loss of each step; NaN and infinity become null in JSON and NaN when read back. */
  readonly lossHistory?: readonly number[];
}

/** A cell that is yet to run, or running. */
export type PendingCell = Pick<
  CellResult,
  'freeze' | 'learningRate' | 'newLayerRate' | 'momentum' | 'split' | 'seed'
> & {
  readonly folder: string;
};

/** A cell that was not trained to its end, and after how many epochs it was left. */
export type DroppedCell = PendingCell & { readonly epochs: number };

/** A grid's results as `results.json` holds them. */
export interface GridResult {
  readonly title: string;
  /** ISO 8601. */
  readonly startedAt: string;
  /** Wall time of the grid. */
  readonly seconds: number;
  readonly model: {
    readonly name: string;
    /** File, or the name of a zoo model. */
    readonly source: string;
    readonly sha256?: string;
    /** Number of scalars in all parameters. */
    readonly parameters: number;
    /** A plain statement of what it was pretrained on. */
    readonly note?: string;
    /** Every learnable layer from the input to the output, the new one last. */
    readonly layers?: readonly { readonly number: number; readonly name: string }[];
    /** What a layer's number means in this file. */
    readonly numbering?: string;
  };
  readonly dataset: {
    readonly name: string;
    /** Names of the classes in the order of the confusion matrix. */
    readonly classes: readonly string[];
    /** Number of training and of test images. */
    readonly train: number;
    readonly test: number;
    /** Images of each class in the two parts, in the order of `classes`. */
    readonly counts: {
      readonly train: readonly number[];
      readonly validation?: readonly number[];
      readonly test: readonly number[];
    };
    /** A plain statement of what the images are. */
    readonly note?: string;
  };
  /** Those that the cells ran on: several where a grid went on with another one, which may round differently. */
  readonly adapters: readonly GridAdapter[];
  /** The configuration as used: nested plain data. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** How the cells came about. */
  readonly protocol?: Protocol;
  /** Where rates and the best cell were chosen; 'test' as the paper did, which flatters what is chosen. */
  readonly select?: Select;
  /** Which freeze points cannot be told from the best; none where fewer than two are complete. */
  readonly verdict?: Verdict;
  /** Freeze points that the verdict leaves out, and why. */
  readonly leftOut?: readonly { readonly point: string; readonly why: string }[];
  /** Which points and rates were not trained to the end, where a budget was given. */
  readonly halving?: Halving;
  readonly dropped?: readonly DroppedCell[];
  /** In order of depth, none first. */
  readonly freezePoints: readonly FreezePoint[];
  readonly learningRates: readonly number[];
  readonly cells: readonly CellResult[];
  /** Cells without a result, where the grid is not finished. */
  readonly pending?: readonly PendingCell[];
  readonly frostlineVersion: string;
}
