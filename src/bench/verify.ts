/**
 * A fast variant is checked before it is timed: against the plain one on the device, or, where that would take long and the
 * kernel is one of ./host-sums.ts, against a double-precision sum on the host for some outputs. Values are such that every
 * term of a formula counts, and what passes is measured against the largest output.
 */
import type { Gpu } from '../gpu/device.ts';
import { Program } from '../gpu/program.ts';
import { bufferOf, type Storage, type View } from '../gpu/storage.ts';
import type { Choice, Kernel } from '../kernels/kernel.ts';
import { packStep } from '../kernels/step.ts';
import { Random } from '../random.ts';
import { type HostSum, hostSum, type Operands } from './host-sums.ts';
import type { LayerCase } from './layer-cases.ts';
import { noise } from './noise.ts';

export interface Verdict {
  /** `plain`: the plain variant itself, which the tests check; `host`: some outputs, in double precision */
  readonly against: 'plain' | 'device' | 'host';
  readonly passed: boolean;
  /** the largest error, in units of what rounding may explain */
  readonly worst: number;
}

/** A text that takes a variant's place: with its bindings and parameters, and as many workgroups unless it says otherwise. */
export interface OwnText {
  readonly label: string;
  readonly source: string;
  readonly workgroups?: number;
}

/** Operations that the plain variant may take on the device before the host's sample is the quicker check. */
const AFFORDABLE = { hardware: 2e11, software: 2e8, embedded: 2e7 } as const;
const SAMPLED = 100;

/** A case with buffers of its own, filled with values that its kernel may meet: most in [-1, 1), no two bindings alike. */
export class CaseBuffers {
  readonly views: Readonly<Record<string, View>>;
  private readonly gpu: Gpu;
  private readonly storages: Storage[] = [];

  constructor(gpu: Gpu, { kernel, params, views }: Pick<LayerCase, 'kernel' | 'params' | 'views'>) {
    this.gpu = gpu;
    const made = new Map<string, View>();
    const ids = new Map<Storage, number>();
    this.views = Object.fromEntries(
      Object.entries(views).map(([name, view]) => {
        if (!ids.has(view.storage)) ids.set(view.storage, ids.size);
        const key = `${ids.get(view.storage)} ${view.offset} ${view.bytes}`;
        let own = made.get(key);
        if (own === undefined) {
          const count = view.bytes / 4;
          const contents =
            kernel.bindings[name].type === 'u32'
              ? integers(kernel, name, params, count, views['class_weights'])
              : numbers(kernel, name, count, made.size + 1);
          own = this.keep(this.gpu.storage(name, contents)).view();
          made.set(key, own);
        }
        return [name, own];
      }),
    );
  }

  /** A storage of the same size for a second result. */
  room(view: View): View {
    return this.keep(this.gpu.storage('second result', view.bytes)).view();
  }

  release(): void {
    for (const storage of this.storages) this.gpu.release(bufferOf(storage));
    this.storages.length = 0;
  }

  private keep(storage: Storage): Storage {
    this.storages.push(storage);
    return storage;
  }
}

/** LRN changes little unless its inputs are as large as those that images of 0 to 255 give. Weights of classes are above 0. */
function numbers(kernel: Kernel, name: string, count: number, seed: number): Float32Array<ArrayBuffer> {
  if (name === 'class_weights') return noise(count, seed, 0.5).map((value) => 1 + value);
  return noise(count, seed, kernel.name.startsWith('lrn/') && name === 'x' ? 100 : 1);
}

/** Rates large enough that both the gradient and the weight move what an update writes. */
const STEP = packStep({ learningRate: 1, momentum: 0.5, weightDecay: 0.5, step: 3, seed: 7 });

/** Integers that a kernel may meet: a step's rates, labels of all classes, winners of pooling in their windows. */
function integers(
  kernel: Kernel,
  name: string,
  params: LayerCase['params'],
  count: number,
  classWeights?: View,
): Uint32Array<ArrayBuffer> {
  if (name === 'step') return STEP;
  const words = new Uint32Array(count);
  if (name === 'labels' && classWeights !== undefined)
    return words.map((_, i) => (37 * i + 5) % (classWeights.bytes / 4));
  if (kernel.name !== 'maxpool/backward') return words;
  const { out_width, out_height, stride_width, stride_height, pad_left, pad_top, width, height } = params as Readonly<
    Record<string, number>
  >;
  const inside = (i: number, stride: number, pad: number, extent: number) =>
    Math.min(Math.max(i * stride - pad, 0), extent - 1);
  return words.map((_, o) => {
    const iy = inside(Math.floor(o / out_width) % out_height, stride_height, pad_top, height);
    return iy * width + inside(o % out_width, stride_width, pad_left, width);
  });
}

/** Checks one choice of a case on its buffers; the plain variant is what others are checked against. */
export async function verify(gpu: Gpu, layerCase: LayerCase, buffers: CaseBuffers, choice: Choice): Promise<Verdict> {
  if (choice.variant === layerCase.kernel.variants[0].name) return { against: 'plain', passed: true, worst: 0 };
  return (await Oracle.of(gpu, layerCase, buffers)).check(choice);
}

/** What a case's outputs must be, computed once for all the choices that are checked. */
export class Oracle {
  private readonly gpu: Gpu;
  private readonly run: Pick<LayerCase, 'kernel' | 'params'>;
  private readonly views: CaseBuffers['views'];
  private readonly outputs: readonly string[];
  /** second places of the outputs, written by each choice in turn */
  private readonly results: Readonly<Record<string, View>>;
  /** the plain variant's outputs, where they are affordable */
  private readonly expected: ReadonlyMap<string, ArrayBuffer> | undefined;
  /** the operands, where they are not */
  private readonly host: { readonly sum: HostSum; readonly operands: Operands } | undefined;

  private constructor(
    gpu: Gpu,
    { kernel, params, views }: Pick<LayerCase, 'kernel' | 'params' | 'views'>,
    results: Record<string, View>,
    truth: { expected?: Map<string, ArrayBuffer>; host?: Oracle['host'] },
  ) {
    this.gpu = gpu;
    this.run = { kernel, params };
    this.views = views;
    this.outputs = Object.keys(results);
    this.results = results;
    this.expected = truth.expected;
    this.host = truth.host;
  }

  /** @param affordable operations that the plain variant may take on the device; else the host checks some outputs */
  static async of(
    gpu: Gpu,
    { kernel, params }: Pick<LayerCase, 'kernel' | 'params'>,
    buffers: CaseBuffers,
    affordable: number = AFFORDABLE[gpu.kind],
  ): Promise<Oracle> {
    const { views } = buffers;
    const outputs = Object.keys(kernel.bindings).filter((name) => kernel.bindings[name].access === 'write');
    const results = Object.fromEntries(outputs.map((name) => [name, buffers.room(views[name])]));
    const sum = hostSum(kernel.name, params);
    if (sum !== undefined && kernel.cost(params).flops > affordable) {
      const operands: Record<string, Float32Array> = {};
      for (const name of Object.keys(kernel.bindings)) operands[name] = await gpu.readFloats(views[name].storage);
      return new Oracle(gpu, { kernel, params, views }, results, { host: { sum, operands } });
    }
    // Kernels may update in place: every result begins with the same values.
    await copy(gpu, outputs, views, results);
    const plain: Choice = { variant: kernel.variants[0].name, configuration: kernel.variants[0].configurations[0] };
    await runOnce(gpu, kernel, params, { ...views, ...results }, plain);
    const expected = new Map<string, ArrayBuffer>();
    for (const name of outputs) expected.set(name, await gpu.read(results[name].storage));
    return new Oracle(gpu, { kernel, params, views }, results, { expected });
  }

  /** Whether the plain variant ran; where it takes too long, the host checks the others. */
  get plainRan(): boolean {
    return this.expected !== undefined;
  }

  /** The views that choices are run on: the operands, and outputs of their own. */
  get scratch(): Readonly<Record<string, View>> {
    return { ...this.views, ...this.results };
  }

  /** Runs a choice once, or somebody's own text in its place. */
  async check(choice: Choice, own?: OwnText): Promise<Verdict> {
    const { gpu, outputs, results, views, expected, host } = this;
    const { kernel, params } = this.run;
    await copy(gpu, outputs, views, results);
    await runOnce(gpu, kernel, params, this.scratch, choice, own);
    if (host !== undefined) {
      return checkOnHost(host.sum, host.operands, await gpu.readFloats(results[host.sum.output].storage));
    }
    let worst = 0;
    for (const name of outputs) {
      const [right, actual] = [expected!.get(name)!, await gpu.read(results[name].storage)];
      const ratio =
        kernel.bindings[name].type === 'u32'
          ? Buffer.compare(Buffer.from(right), Buffer.from(actual)) && Number.POSITIVE_INFINITY
          : worstOf(new Float32Array(right), new Float32Array(actual), summedTolerance(kernel, params));
      worst = Math.max(worst, ratio); // NaN stays
    }
    return { against: 'device', passed: worst <= 1, worst };
  }
}

/** Of the largest output: what rounding, and functions as exact as WGSL asks for, may explain. */
const RELATIVE = 1e-4;

/**
 * The largest difference, in units of what is allowed.
 * @param summed what is allowed, where it is known; else a ten-thousandth of the largest value
 */
export function worstOf(expected: Float32Array, actual: Float32Array, summed?: number): number {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), Number.MIN_VALUE);
  const tolerance = summed ?? RELATIVE * largest;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    worst = Math.max(worst, Math.abs(actual[i] - expected[i]) / tolerance); // NaN stays
  }
  return worst;
}

/** For outputs that are sums of products below 1. */
function summedTolerance(kernel: Kernel, params: LayerCase['params']): number | undefined {
  const terms = hostSum(kernel.name, params)?.terms ?? LINEAR_TERMS[kernel.name]?.(params);
  return terms === undefined ? undefined : toleranceOf(terms);
}

/** The products that an output of a fully connected layer's kernels is the sum of. */
const LINEAR_TERMS: Readonly<Record<string, (params: Readonly<Record<string, number>>) => number>> = {
  'linear/forward': ({ inputs }) => inputs,
  'linear/input-gradient': ({ outputs }) => outputs,
  'linear/update': ({ batch }) => batch,
  'linear/backward': ({ outputs }) => outputs,
};

/**
 * What rounding may explain of a sum of k products below 1: each of k additions adds at most half a unit of the sum so
 * far, which for values of mean 0 grows as sqrt(k); 16 standard deviations, and a little for the last places.
 */
const toleranceOf = (terms: number) => 16 * terms * 2 ** -24 + 1e-6;

async function runOnce(
  gpu: Gpu,
  kernel: Kernel,
  params: LayerCase['params'],
  views: Record<string, View>,
  choice: Choice,
  own?: OwnText,
): Promise<void> {
  const program = await Program.prepare(gpu, [{ ...kernel.dispatch(gpu, params, views, choice), ...own }]);
  program.submit();
  await gpu.idle();
  program.destroy();
}

async function copy(gpu: Gpu, names: readonly string[], from: Record<string, View>, to: Record<string, View>) {
  const encoder = gpu.device.createCommandEncoder();
  for (const name of names) {
    encoder.copyBufferToBuffer(bufferOf(from[name].storage), 0, bufferOf(to[name].storage), 0, from[name].bytes);
  }
  gpu.device.queue.submit([encoder.finish()]);
}

/** The formula, for outputs spread over all that its index runs over. */
function checkOnHost(sum: HostSum, operands: Operands, after: Float32Array): Verdict {
  const tolerance = toleranceOf(sum.terms);
  const random = new Random(2);
  let worst = 0;
  for (let i = 0; i < SAMPLED; i++) {
    // The corners, where tiles hang over, and any others.
    const index = sum.extents.map((count, axis) => {
      if (i < 2 ** Math.min(sum.extents.length, 5)) return (i >> axis) & 1 ? count - 1 : 0;
      return Math.min(count - 1, Math.floor(random.between(0, count)));
    });
    const { place, value } = sum.at(index, operands);
    worst = Math.max(worst, Math.abs(after[place] - value) / tolerance); // NaN stays
  }
  return { against: 'host', passed: worst <= 1, worst };
}
