/**
 * The function under check, compiled several times, and its values and derivatives at points.
 *
 * Owns the graphs and the device's copies of the inputs; `destroy` frees both.
 */
import { FrostlineError } from '../../errors.ts';
import type { Gpu } from '../../gpu/device.ts';
import { Random } from '../../random.ts';
import { type CompiledGraph, type CompileOptions, compile, tapeOf } from '../compile.ts';
import type { Pieces } from '../pieces.ts';
import { input, Parameter, type Tensor } from '../tensor.ts';
import type { GradcheckInput, Settings } from './options.ts';
import { onPieces } from './piece-graph.ts';

type Values = Float32Array<ArrayBuffer>;

/** The values of the function at a point, and on which pieces it lies. */
export interface Evaluation {
  readonly y: Values;
  readonly pieces: readonly Pieces[];
}

/** The function itself, or the one on the piece of the given inputs. */
export type Side = 'function' | 'piece';

export class Subject {
  readonly gpu: Gpu;
  readonly output: Tensor;
  /** what is differentiated, in the order of the inputs */
  readonly checked: readonly Parameter[];
  /** what makes the function smooth only piece by piece */
  readonly kinked: readonly Tensor[];
  readonly v: Values;
  private readonly tensors: readonly Tensor[];
  private readonly inputs: Readonly<Record<string, GradcheckInput>>;
  private readonly settings: Settings;
  private readonly upstream: Tensor;
  private readonly graphs: CompiledGraph[] = [];
  private readonly sides = new Map<Side, CompiledGraph>();
  private readonly bases = new Map<Side, Evaluation>();
  private evaluations = 1;
  private largest = 0;

  private constructor(
    gpu: Gpu,
    output: Tensor,
    tensors: readonly Tensor[],
    inputs: Readonly<Record<string, GradcheckInput>>,
    settings: Settings,
  ) {
    this.gpu = gpu;
    this.output = output;
    this.tensors = tensors;
    this.inputs = inputs;
    this.settings = settings;
    this.checked = tensors.filter(
      (tensor) => tensor instanceof Parameter && inputs[tensor.name].requiresGrad !== false,
    ) as Parameter[];
    if (this.checked.length === 0) throw new FrostlineError('gradcheck: no input of floats that requires a gradient.');
    expectGiven(output, tensors);
    this.kinked = tapeOf([output]).filter(({ source }) => source?.operation.pieces !== undefined);
    this.upstream = input('v', output.shape);
    const random = new Random(settings.seed, V_STREAM);
    this.v = Float32Array.from({ length: output.size }, () => random.normal());
  }

  static async open(
    gpu: Gpu,
    output: Tensor,
    tensors: readonly Tensor[],
    inputs: Readonly<Record<string, GradcheckInput>>,
    settings: Settings,
  ): Promise<Subject> {
    const subject = new Subject(gpu, output, tensors, inputs, settings);
    try {
      const outputs = [output, ...subject.kinked.map(({ source }) => source!.inputs[0])];
      subject.sides.set('function', await subject.compile({ outputs }));
      const base = await subject.evaluate('function');
      subject.bases.set('function', base);
      if (subject.kinked.length > 0) {
        const pieces = new Map(subject.kinked.map((tensor, i) => [tensor, base.pieces[i]]));
        subject.sides.set('piece', await onPieces(pieces, () => subject.compile({ outputs })));
        subject.bases.set('piece', await subject.evaluate('piece'));
      }
      return subject;
    } catch (error) {
      subject.destroy();
      throw error;
    }
  }

  /** A graph of the function with the inputs that are no parameters written; freed with the subject. */
  async compile(options: CompileOptions): Promise<CompiledGraph> {
    const graph = await compile(this.gpu, { training: this.settings.training, ...options });
    this.graphs.push(graph);
    this.setStep(graph, 0);
    const used = new Set(tapeOf([this.output]));
    for (const tensor of this.tensors) {
      if (!(tensor instanceof Parameter) && used.has(tensor)) graph.write(tensor, this.inputs[tensor.name].values);
    }
    return graph;
  }

  /** The same, with the vector-Jacobian product for v. */
  async compileBackward(options: Omit<CompileOptions, 'loss' | 'upstream'>): Promise<CompiledGraph> {
    const graph = await this.compile({ ...options, loss: this.output, upstream: this.upstream });
    graph.write(this.upstream, this.v);
    return graph;
  }

  setStep(graph: CompiledGraph, learningRate: number): void {
    const { seed } = this.settings;
    graph.setStep({ learningRate, momentum: 0, weightDecay: 0, step: 0, seed });
  }

  setUpstream(graph: CompiledGraph, factor: number): void {
    graph.write(
      this.upstream,
      this.v.map((value) => factor * value),
    );
  }

  /** What evaluates the function itself. */
  get forward(): CompiledGraph {
    return this.sides.get('function')!;
  }

  /** The function at the given inputs, as first evaluated. */
  base(side: Side): Evaluation {
    return this.bases.get(side)!;
  }

  /** Notes an evaluation at the given inputs that was made once more, for whatever reason. */
  again(y: Values, first = this.base('function').y): void {
    this.evaluations++;
    this.largest = Math.max(this.largest, largestDifference(first, y));
  }

  /** How many evaluations of forward at the given inputs were compared, and their largest difference. */
  get repeated(): { readonly evaluations: number; readonly difference: number } {
    return { evaluations: this.evaluations, difference: this.largest };
  }

  /** Of `side`, with `tensor` at these values where given. */
  async evaluate(side: Side, tensor?: Parameter, values?: Values): Promise<Evaluation> {
    if (tensor !== undefined) tensor.reset(this.gpu, values);
    const wanted = [this.output, ...this.kinked.map(({ source }) => source!.inputs[0])];
    const [y, ...read] = (await this.sides.get(side)!.run(wanted)).map((bytes) => new Float32Array(bytes));
    return { y, pieces: this.kinked.map(({ source }, i) => source!.operation.pieces!.record(read[i])) };
  }

  /** The function at the given inputs in memory that holds NaN wherever the run is to write. */
  evaluateOnPoison(): Promise<Evaluation> {
    this.forward.poison();
    return this.evaluate('function');
  }

  /** The length of the products v[i] y[i]. */
  length(y: Float32Array): number {
    return Math.sqrt(y.reduce((sum, value, i) => sum + (value * this.v[i]) ** 2, 0));
  }

  destroy(): void {
    for (const graph of this.graphs) graph.destroy();
    for (const tensor of this.tensors) if (tensor instanceof Parameter) tensor.release(this.gpu);
  }
}

const V_STREAM = 0x75707374;

/** The largest difference between two runs; NaN in one alone, and other bits for equal numbers (-0), count too. */
export function largestDifference(a: Values, b: Values): number {
  return a.reduce((largest, value, i) => {
    if (Object.is(value, b[i])) return largest;
    const difference = Math.abs(value - b[i]);
    return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(largest, difference, Number.MIN_VALUE);
  }, 0);
}

/** Nothing would be written to an input that the function brings itself: it would be checked at what lies there. */
function expectGiven(output: Tensor, given: readonly Tensor[]): void {
  const other = tapeOf([output]).find(
    (tensor) => tensor.source === undefined && !(tensor instanceof Parameter) && !given.includes(tensor),
  );
  if (other === undefined) return;
  throw new FrostlineError(
    `gradcheck: the function reads ${other.name}, which has no values. Give it as an input, or make it a Parameter.`,
  );
}

/** Whether no kink lies between two points. */
export function onOnePiece(a: Evaluation, b: Evaluation): boolean {
  return a.pieces.every((one, k) => {
    const other = b.pieces[k];
    return one.from.every(
      (from, o) =>
        from === other.from[o] &&
        one.scale[o] === other.scale[o] &&
        one.shift[o] === other.shift[o] &&
        one.border[o] === other.border[o],
    );
  });
}

/** Whether the point lies on a border of pieces that moving along to `moved`, on the piece, leaves. */
export function leavesBorder(base: Evaluation, moved: Evaluation): boolean {
  return base.pieces.some(({ border, from }, k) => {
    const other = moved.pieces[k];
    return border.some((on, o) => on === 1 && (other.border[o] === 0 || other.from[o] !== from[o]));
  });
}
