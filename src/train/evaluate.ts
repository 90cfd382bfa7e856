/** Inference over a data set with the parameters as they are on the device. */
import { checkArguments, wholeFrom } from '../arguments.ts';
import { GPU } from '../gpu/argument.ts';
import type { Gpu } from '../gpu/device.ts';
import { type CompiledGraph, compile } from '../graph/compile.ts';
import { type Parameter, type Tensor, unchanged } from '../graph/tensor.ts';
import { buildNetwork } from '../models/build.ts';
import { softmax } from '../operators/softmax/graph.ts';
import { DATA, type TrainingData } from './data.ts';
import { DivergedError } from './diverged.ts';
import { createFeed, type Feed } from './feed.ts';
import { MODEL, type Model } from './model.ts';

/** Loss, predictions and probabilities of a set of images. */
export interface Evaluation {
  /** class of each sample: the first of the largest probabilities */
  readonly predictions: Uint32Array<ArrayBuffer>;
  /** [samples, classes] */
  readonly probabilities: Float32Array<ArrayBuffer>;
  /** [samples, classes], where they were asked for: what the softmax is taken of */
  readonly logits?: Float32Array<ArrayBuffer>;
  readonly classes: number;
}

/** A compiled network that classifies sets of images, batch after batch. */
export class Evaluator {
  private readonly graph: CompiledGraph;
  private readonly feed: Feed;
  private readonly probabilities: Tensor;
  private readonly logits: Tensor | undefined;
  private readonly data: TrainingData;
  private readonly batch: number;
  private readonly parameters: readonly Parameter[];

  private constructor(
    graph: CompiledGraph,
    feed: Feed,
    { probabilities, logits }: { probabilities: Tensor; logits?: Tensor },
    data: TrainingData,
    batch: number,
    parameters: readonly Parameter[],
  ) {
    this.parameters = parameters;
    this.graph = graph;
    this.feed = feed;
    this.probabilities = probabilities;
    this.logits = logits;
    this.data = data;
    this.batch = batch;
  }

  /** Compiles once for a data set; `run` may follow any number of changes of the parameters. */
  static async compile(
    gpu: Gpu,
    model: Model,
    data: TrainingData,
    batch: number,
    { logits: wanted = false }: { logits?: boolean } = {},
  ): Promise<Evaluator> {
    checkArguments('Evaluator.compile', {
      gpu: [gpu, GPU],
      model: [model, MODEL],
      data: [data, DATA],
      batch: [batch, wholeFrom(1)],
    });
    const feed = createFeed(gpu, model.network, data, batch);
    const { logits } = buildNetwork(model.network, { batch, parameters: model.parameters, image: feed.image });
    const probabilities = softmax(logits);
    const graph = await compile(gpu, { outputs: wanted ? [probabilities, logits] : [probabilities] });
    feed.load(graph);
    return new Evaluator(graph, feed, { probabilities, ...(wanted && { logits }) }, data, batch, [
      ...model.parameters.values(),
    ]);
  }

  /** Takes the data set's pixels anew, after they were changed in place. */
  reload(): void {
    this.feed.load(this.graph);
  }

  /**
   * Classifies all samples with the parameters as they are now.
   * @throws DivergedError when a sample's probabilities are not finite: the last update may have overflowed the weights
   * @throws FrostlineError where a step of training changes parameters before the last sample: no one model was evaluated
   */
  async run(signal?: AbortSignal): Promise<Evaluation> {
    const count = this.data.labels.length;
    const classes = this.probabilities.size / this.batch;
    const outputs = this.logits === undefined ? [this.probabilities] : [this.probabilities, this.logits];
    const [probabilities, logits] = outputs.map(() => new Float32Array(count * classes));
    const check = unchanged('Evaluator.run', this.parameters);
    for (let first = 0; first < count; first += this.batch) {
      signal?.throwIfAborted();
      // The last batch is filled up with its first sample; what comes of those is dropped.
      const samples = Array.from({ length: this.batch }, (_, i) => (first + i < count ? first + i : first));
      this.feed.write(this.graph, samples);
      const read = await this.graph.run(outputs);
      const take = Math.min(this.batch, count - first) * classes;
      probabilities.set(new Float32Array(read[0], 0, take), first * classes);
      logits?.set(new Float32Array(read[1], 0, take), first * classes);
    }
    check();
    const bad = probabilities.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new DivergedError(
        `The network's probabilities for sample ${Math.floor(bad / classes)} are not finite: its weights, or the ` +
          'sample, are not. After training, use a smaller learning rate or a smaller momentum.',
      );
    }
    const predictions = Uint32Array.from({ length: count }, (_, i) => {
      const row = probabilities.subarray(i * classes, (i + 1) * classes);
      return row.indexOf(Math.max(...row));
    });
    return { predictions, probabilities, ...(logits && { logits }), classes };
  }

  destroy(): void {
    this.graph.destroy();
  }
}
