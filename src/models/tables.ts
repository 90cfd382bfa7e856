/** AlexNet, VGG16 and a small AlexNet as tables of layers, with MATLAB's names and numbers. */
import { type Expectation, INTEGER, isMap, TEXT, wholeFrom } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { ours } from '../operators/registry.ts';
import { checkOptions, type OptionNames } from '../options.ts';
import { glorotUniform, heUniform, zeros } from './initialise.ts';
import { numberLayers } from './layers.ts';
import type { Network, Node, Op, Pads, Pair, ParameterValue, Preprocessing } from './network.ts';
import { PREPROCESSING, preprocessingPreset } from './preprocessing.ts';
import { outputShapes } from './shapes.ts';

/** Classes and input of a network from a table. */
export interface TableOptions {
  /** Names of the classes, or how many there are; 1000 unless given. */
  readonly classes?: number | readonly string[];
  /** Values of parameters by name ('conv1.weight'); those that are not given are drawn. */
  readonly weights?: ReadonlyMap<string, ParameterValue>;
  /** Of the parameters that are drawn: He uniform, the classifier Glorot uniform, biases zero. */
  readonly seed?: number;
  readonly preprocessing?: Preprocessing;
}

/** Widths of a small AlexNet's layers. */
export interface WidthOptions extends TableOptions {
  /** AlexNet: filters of conv1 to conv5, those of conv2, conv4 and conv5 in two groups. VGG16: of its five blocks. */
  readonly filters?: readonly [number, number, number, number, number];
  /** Width of fc6 and fc7. */
  readonly hidden?: number;
}

/** Further options of VGG16. */
export interface VggOptions extends WidthOptions {
  /** Height and width of the input, a multiple of 32. Default 224 */
  readonly size?: number;
}

const CLASSES: Expectation = {
  is: (value) => wholeFrom(1).is(value) || (Array.isArray(value) && value.length > 0 && value.every(TEXT.is)),
  words: 'how many classes there are, or a list of their names',
};
const WIDTH_OPTIONS: OptionNames<WidthOptions> = {
  classes: CLASSES,
  weights: { is: isMap, words: 'a Map of parameters by name' },
  seed: INTEGER,
  preprocessing: PREPROCESSING,
  filters: {
    is: (value) => Array.isArray(value) && value.length === 5 && value.every(wholeFrom(1).is),
    words: 'a list of five whole numbers of 1 or more',
  },
  hidden: wholeFrom(1),
};
const VGG_OPTIONS: OptionNames<VggOptions> = {
  ...WIDTH_OPTIONS,
  size: { is: (value) => wholeFrom(32).is(value) && (value as number) % 32 === 0, words: 'a multiple of 32' },
};

/** AlexNet as Caffe and MATLAB have it: input 3 x 227 x 227, two groups, normalisation before pooling. */
export function alexnet(options: WidthOptions = {}): Network {
  const { filters = [96, 256, 384, 384, 256], hidden = 4096 } = checkOptions('alexnet', options, WIDTH_OPTIONS);
  const conv1 = { kernel: 11, stride: 4 };
  return alexnetLayers('alexnet', 227, conv1, filters, hidden, options);
}

/** AlexNet's topology at small width for 3 x 64 x 64, so that the same layer numbers apply. */
export function alexnetSmall(options: WidthOptions = {}): Network {
  const { filters = [16, 32, 48, 48, 32], hidden = 128 } = checkOptions('alexnetSmall', options, WIDTH_OPTIONS);
  return alexnetLayers('alexnet-small', 64, { kernel: 7, stride: 2 }, filters, hidden, {
    ...options,
    preprocessing: options.preprocessing ?? preprocessingPreset('symmetric', [64, 64]),
  });
}

/** VGG16 (Simonyan and Zisserman 2014, configuration D): input 3 x 224 x 224. */
export function vgg16(options: VggOptions = {}): Network {
  const { filters = [64, 128, 256, 512, 512], hidden = 4096, size = 224 } = checkOptions('vgg16', options, VGG_OPTIONS);
  const table = new Table('vgg16', [3, size, size], 'input', options);
  for (const [i, layers] of [2, 2, 3, 3, 3].entries()) {
    for (let j = 1; j <= layers; j++) {
      table.conv(`conv${i + 1}_${j}`, filters[i], 3, { padding: 1 });
      table.layer(`relu${i + 1}_${j}`, { kind: 'relu' });
    }
    table.maxPool(`pool${i + 1}`, 2, 2);
  }
  return table.head(hidden, preprocessingPreset('caffe-vgg-bgr', [size, size]));
}

function alexnetLayers(
  name: string,
  size: number,
  conv1: { kernel: number; stride: number },
  filters: readonly [number, number, number, number, number],
  hidden: number,
  options: TableOptions,
): Network {
  const table = new Table(name, [3, size, size], 'data', options);
  const normalise: Op = { kind: 'lrn', size: 5, alpha: 1e-4, beta: 0.75, bias: 1 };
  table.conv('conv1', filters[0], conv1.kernel, { stride: conv1.stride });
  table.layer('relu1', { kind: 'relu' });
  table.layer('norm1', normalise);
  table.maxPool('pool1', 3, 2);
  table.conv('conv2', filters[1], 5, { padding: 2, groups: 2 });
  table.layer('relu2', { kind: 'relu' });
  table.layer('norm2', normalise);
  table.maxPool('pool2', 3, 2);
  table.conv('conv3', filters[2], 3, { padding: 1 });
  table.layer('relu3', { kind: 'relu' });
  table.conv('conv4', filters[3], 3, { padding: 1, groups: 2 });
  table.layer('relu4', { kind: 'relu' });
  table.conv('conv5', filters[4], 3, { padding: 1, groups: 2 });
  table.layer('relu5', { kind: 'relu' });
  table.maxPool('pool5', 3, 2);
  return table.head(hidden, preprocessingPreset('caffe-bgr'));
}

/** Collects layers one after the other. */
class Table {
  private readonly name: string;
  private readonly input: { readonly name: string; readonly shape: readonly number[] };
  private readonly options: TableOptions;
  private readonly nodes: Node[] = [];
  private readonly parameters = new Map<string, ParameterValue>();
  /** Shape of the last layer's output, without the batch. */
  private shape: readonly number[];

  constructor(name: string, shape: readonly number[], input: string, options: TableOptions) {
    this.name = name;
    this.input = { name: input, shape };
    this.options = options;
    this.shape = shape;
  }

  layer(name: string, op: Op, parameters: { weight?: string; bias?: string } = {}): void {
    const inputs = [this.nodes.at(-1)?.outputs[0] ?? this.input.name];
    const node: Node = { op, name, inputs, outputs: [name], parameters };
    this.shape = outputShapes(node, [this.shape], this.parameters, ours).get(name)!;
    this.nodes.push(node);
  }

  conv(
    name: string,
    filters: number,
    kernel: number,
    options: { stride?: number; padding?: number; groups?: number },
  ): void {
    const { stride = 1, padding = 0, groups = 1 } = options;
    const pads: Pads = [padding, padding, padding, padding];
    const op: Op = { kind: 'conv2d', strides: [stride, stride], pads, dilations: [1, 1], groups };
    const weight = [filters, Math.ceil(this.shape[0] / groups), kernel, kernel];
    this.layer(name, op, this.parameter(name, weight, heUniform));
  }

  maxPool(name: string, size: number, stride: number): void {
    const kernel: Pair = [size, size];
    const pads: Pads = [0, 0, 0, 0];
    this.layer(name, { kind: 'maxPool', kernel, strides: [stride, stride], pads, dilations: [1, 1], ceilMode: false });
  }

  linear(name: string, out: number, draw: typeof heUniform): void {
    this.layer(name, { kind: 'linear' }, this.parameter(name, [out, this.shape[0]], draw));
  }

  /** The three fully connected layers, and the network. */
  head(hidden: number, preprocessing: Preprocessing): Network {
    const { classes = 1000 } = this.options;
    this.layer('flatten', { kind: 'flatten' });
    for (const i of [6, 7]) {
      this.linear(`fc${i}`, hidden, heUniform);
      this.layer(`relu${i}`, { kind: 'relu' });
      this.layer(`drop${i}`, { kind: 'dropout', ratio: 0.5 });
    }
    this.linear('fc8', typeof classes === 'number' ? classes : classes.length, glorotUniform);
    this.layer('prob', { kind: 'softmax' });
    return {
      name: this.name,
      inputs: [this.input],
      outputs: ['prob'],
      nodes: numberLayers(this.nodes, [this.input.name]),
      parameters: this.parameters,
      preprocessing: this.options.preprocessing ?? preprocessing,
      labels: typeof classes === 'number' ? undefined : [...classes],
    };
  }

  private parameter(layer: string, shape: readonly number[], draw: typeof heUniform): { weight: string; bias: string } {
    const { weights, seed = 1 } = this.options;
    const [weight, bias] = [`${layer}.weight`, `${layer}.bias`];
    const drawn: [string, ParameterValue][] = [
      [weight, draw(shape, seed, weight)],
      [bias, zeros([shape[0]])],
    ];
    for (const [name, value] of drawn) {
      const given = weights?.get(name);
      if (given && String(given.shape) !== String(value.shape)) {
        throw new FrostlineError(
          `${this.name}: parameter '${name}' is given with shape [${given.shape}], [${value.shape}] is expected.`,
        );
      }
      this.parameters.set(name, given ?? value);
    }
    return { weight, bias };
  }
}
