/**
 * Copies of parameters: in layouts that kernels read faster, and as halves. One whose parameter stands still is made
 * before the first run and kept (`preparations`), as far as memory allows; any other in each run, by dispatches of the
 * program, in memory that others use too. Halves are always kept: updates write them.
 */
import type { Gpu } from '../gpu/device.ts';
import type { Dispatch } from '../gpu/program.ts';
import { type Precision, Storage, shareOf, type View } from '../gpu/storage.ts';
import { castCopy } from '../kernels/cast/cast.ts';
import type { Analysis } from './analysis.ts';
import type { Wanted } from './compile-options.ts';
import type { Preparation } from './compiled-graph.ts';
import type { Run } from './operation.ts';
import type { Storages } from './storages.ts';
import { Parameter, type Tensor } from './tensor.ts';
import { flatWindows, rows } from './windows.ts';

/**
 * Copies of weights that do not change are kept for all runs up to this share of the parameters' bytes, or so many bytes:
 * VGG16's transformed convolutions take four times their weights. What is beyond is made in each run, in memory that
 * others use too.
 */
const LASTING_SHARE = 1 / 8;
const LASTING_LEAST = 2 ** 24;

/** A copy in another layout, and who makes it. */
export interface Layout {
  /** the operation's place on the tape, and its name for the copy: two that are the same share it */
  readonly key: string;
  readonly label: string;
  readonly bytes: number;
  readonly precision: Precision;
  make(run: Run, to: View): void;
}

export class Copies {
  /** what is made before the first run, and anew after the parameter's values have changed */
  readonly preparations: Preparation[] = [];
  private readonly gpu: Gpu;
  private readonly storages: Storages;
  private readonly keepPacked: boolean;
  private readonly update: boolean;
  private readonly state: ReadonlySet<Tensor>;
  private readonly mostLasting: number;
  private lastingBytes = 0;
  private readonly made = new Map<string, Storage>();

  constructor(
    gpu: Gpu,
    storages: Storages,
    { parameters, state }: Pick<Analysis, 'parameters' | 'state'>,
    { keepPacked, optimizer }: Pick<Wanted, 'keepPacked' | 'optimizer'>,
  ) {
    this.gpu = gpu;
    this.storages = storages;
    this.keepPacked = keepPacked;
    this.update = optimizer !== undefined;
    this.state = state;
    const ofParameters = parameters.reduce((sum, { bytes }) => sum + bytes, 0);
    this.mostLasting = Math.max(LASTING_LEAST, LASTING_SHARE * ofParameters);
  }

  /** Whether a copy of it holds for more than a run: of a parameter that runs leave as it is. */
  lasts(source: Tensor): source is Parameter {
    const { keepPacked, update, state } = this;
    return keepPacked && source instanceof Parameter && !(update && source.trainable) && !state.has(source);
  }

  /** @param run takes the dispatches of a copy that is made in each run */
  inLayout(source: Tensor, { key, label, bytes, precision, make }: Layout, run: Run): View {
    const known = this.made.get(key);
    if (known !== undefined) return known.view();
    const kept = bytes * shareOf(precision);
    if (!this.lasts(source) || this.lastingBytes + kept > this.mostLasting) {
      const storage = new Storage(label, bytes, { precision });
      this.made.set(key, storage);
      make(run, storage.view());
      return storage.view();
    }
    const storage = this.storages.pack(label, bytes, precision);
    this.made.set(key, storage);
    this.lastingBytes += kept;
    const dispatches: Dispatch[] = [];
    make((kernel, params, views) => dispatches.push(kernel.dispatch(this.gpu, params, views)), storage.view());
    this.preparations.push({ parameter: source, dispatches });
    return storage.view();
  }

  /** Room for a weight as halves, which the graph makes of its values, and anew after others have changed them. */
  halvesOf(parameter: Parameter): Storage {
    const half = this.storages.pack(`${parameter.name} as halves`, parameter.bytes, 'f16');
    const dispatches = flatWindows(this.gpu, parameter.size).map((window) => {
      const views = { x: rows(parameter.reserve(this.gpu), 4, window), y: rows(half, 4, window) };
      return castCopy.dispatch(this.gpu, { count: window.count }, views);
    });
    this.preparations.push({ parameter, dispatches, updated: this.update && parameter.trainable });
    return half;
  }
}
