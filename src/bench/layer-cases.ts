/**
 * Every kernel run of a training step, found by walking the network's operations forward and backward as the compiler
 * does, but with storages that never get a buffer: VGG16 at batch 32 can be listed where it would not fit.
 */
import type { Gpu } from '../gpu/device.ts';
import { Storage, type View } from '../gpu/storage.ts';
import { tapeOf } from '../graph/compile.ts';
import { type BackwardEmitter, inMemory } from '../graph/operation.ts';
import { softmaxCrossEntropy } from '../graph/ops/classification.ts';
import { input, Parameter, type Tensor } from '../graph/tensor.ts';
import { flatWindows, rows } from '../graph/windows.ts';
import type { Kernel, Params } from '../kernels/kernel.ts';
import { sgdm } from '../kernels/sgdm/sgdm.ts';
import { STEP_WORDS } from '../kernels/step.ts';
import { buildNetwork, parametersOf } from '../models/build.ts';
import type { Network } from '../models/network.ts';

export interface LayerCase {
  readonly network: string;
  readonly batch: number;
  /** the first layer with this very kernel run; `layers` names all of them */
  readonly layer: string;
  readonly layers: readonly string[];
  /** what is computed: 'forward', 'gradient of input', 'gradient of weight', 'gradient of bias', 'update of weight' ... */
  readonly direction: string;
  readonly kernel: Kernel;
  readonly params: Params<Record<string, 'u32'>>;
  /** as the compiler would bind them: two bindings of one range share it */
  readonly views: Readonly<Record<string, View>>;
}

/** What a case is called in tables, filters and comparisons. */
export const caseName = ({ network, batch, layer, direction, kernel }: LayerCase) =>
  `${network} ${batch} ${layer} ${direction} ${kernel.name}`;

/** What an operation's inputs are. */
const ROLES = ['input', 'weight', 'bias'];

/** The distinct kernel runs of a training step in which everything is trained, in its order. */
export function layerCases(gpu: Gpu, network: Network, batch: number): LayerCase[] {
  const found = new Map<string, LayerCase & { layers: string[] }>();
  const storages = new Map<Tensor, Storage>();
  const step = new Storage('step', 4 * STEP_WORDS);
  const storageOf = (tensor: Tensor): Storage => {
    let storage = storages.get(tensor);
    if (storage === undefined) storages.set(tensor, (storage = new Storage(tensor.name, tensor.bytes)));
    return storage;
  };
  const record = (layer: string, direction: string, kernel: Kernel, params: object, views: object): void => {
    // The same kernel with the same parameters and bindings takes the same time, whatever the layer is called.
    // An operation may offer more than the kernel binds: x and y, of which a derivative reads one.
    const bound = Object.fromEntries(
      Object.entries(views as Record<string, View>).filter(([name]) => name in kernel.bindings),
    );
    const bytes = Object.values(bound).map((view) => view.bytes);
    const key = JSON.stringify([kernel.name, params, bytes]);
    const known = found.get(key);
    if (known !== undefined) {
      if (!known.layers.includes(layer)) known.layers.push(layer);
      return;
    }
    // Windows over the adapter's binding limit: the last may be smaller than those before it.
    const parts = [...found.values()].filter(
      (one) => one.kernel === kernel && one.layer === layer && one.direction.split(',')[0] === direction,
    );
    const part = parts.length === 0 ? '' : `, window ${parts.length + 1}`;
    const run = { kernel, params: params as LayerCase['params'], views: bound };
    found.set(key, { network: network.name, batch, layer, layers: [layer], direction: direction + part, ...run });
  };

  const { logits } = buildNetwork(network, { batch, parameters: parametersOf(network) });
  const loss = softmaxCrossEntropy(logits, input('labels', [batch], 'u32'));
  const operations = tapeOf([loss]).filter((tensor) => tensor.source?.operation.alias !== 'always' && tensor.source);
  /** Parameters whose update the operation wrote itself. */
  const updated = new Set<Tensor>();
  const emitter = (tensor: Tensor, direction: (views: object) => string): BackwardEmitter => ({
    gpu,
    inputs: tensor.source!.inputs,
    output: tensor,
    training: true,
    differentiated: true,
    ordinal: 0,
    step,
    // A ReLU that follows, or went before, has rows of its own here; in a step the kernels around it apply it.
    after: undefined,
    combined: undefined,
    before: undefined,
    state: (i) => storageOf(tensor.source!.inputs[i]),
    value: storageOf,
    // Each direction by itself: none leaves anything to another.
    needs: () => false,
    saved: (name, bytes, precision) => new Storage(name, bytes, { precision }),
    constant: (name, values) => new Storage(name, values.byteLength),
    outputGradient: new Storage('gradient of output', tensor.bytes),
    outputGradientIsOne: tensor === loss,
    passOn() {},
    part: () => undefined,
    partGradient: () => undefined,
    gradient(i) {
      const source = tensor.source!.inputs[i];
      const differentiable = source.source !== undefined || source instanceof Parameter;
      return differentiable ? new Storage(`gradient of ${ROLES[i]}`, source.bytes) : undefined;
    },
    destination(i) {
      const storage = this.gradient(i);
      return storage && inMemory(storage);
    },
    sumTo(i, whole, write) {
      const to = this.destination(i)?.(whole);
      if (to !== undefined) write(to);
    },
    updates: (i) => tensor.source!.inputs[i] instanceof Parameter,
    update(i) {
      const source = tensor.source!.inputs[i];
      if (!(source instanceof Parameter)) return undefined;
      updated.add(source);
      const [w, v] = [`update of ${ROLES[i]}`, 'momentum'].map((label) => new Storage(label, source.bytes));
      return { w, v, mask: 1, decayFactor: 1 };
    },
    scaledUpdate: () => undefined,
    lasts: () => false,
    prepared(_, name, bytes, make) {
      const to = new Storage(name, bytes).view();
      make(this.run, to);
      return to;
    },
    run(kernel, params, views) {
      record(tensor.name, direction(views), kernel as unknown as Kernel, params, views);
    },
  });
  for (const tensor of operations) tensor.source!.operation.forward(emitter(tensor, () => 'forward'));
  for (const tensor of operations.toReversed()) {
    const written = (views: object) => (Object.values(views) as View[]).map((view) => view.storage.label);
    // A kernel run of the way back is named by the gradient that it writes.
    const direction = (views: object) =>
      written(views)
        .map((label) => label.replace(/ in parts$/, ''))
        .findLast((label) => /^(gradient of (input|weight|bias)|update of weight)$/.test(label)) ?? 'backward';
    tensor.source!.operation.backward?.(emitter(tensor, direction));
    for (const [i, parameter] of tensor.source!.inputs.entries()) {
      if (!(parameter instanceof Parameter) || updated.has(parameter)) continue;
      for (const window of flatWindows(gpu, parameter.size)) {
        const part = (label: string) => rows(new Storage(label, parameter.bytes), 4, window);
        const views = { g: part('g'), step: step.view(), w: part('w'), v: part('v') };
        const params = { count: window.count, mask: 1, decay_factor: 1 };
        record(tensor.name, `update of ${ROLES[i]}`, sgdm as unknown as Kernel, params, views);
      }
    }
  }
  return [...found.values()];
}
