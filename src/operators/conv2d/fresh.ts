/** Convolutions as networks have them, drawn to measure the choice of algorithms on. */
import { input, Parameter } from '../../graph/tensor.ts';
import { type Conv2dShape, conv2dOutput } from '../../kernels/conv2d/shape.ts';
import type { Random } from '../../random.ts';
import { type FreshLayer, type FreshLayers, oneOf, upTo } from '../algorithms/trial.ts';
import { relu } from '../relu/graph.ts';
import { conv2d } from './graph.ts';

/** Of rows and columns. Inception's layers have 1 x 7 and 3 x 1, too. */
function drawKernel(random: Random): [number, number] {
  const size = oneOf(random, 1, 1, 1, 3, 3, 3, 3, 3, 5, 5, 7, 11);
  if (size === 1 || random.integer(16) > 0) return [size, size];
  return oneOf(random, [size, 1], [1, size]);
}

/** Channels of a network's inner layers: mostly multiples of eight. */
const drawChannels = (random: Random) =>
  random.integer(4) === 0 ? upTo(random, 4, 512) : 8 * upTo(random, 1, random.integer(8) === 0 ? 128 : 64);

/** Channels, filters and groups: a first layer's three channels, groups of several channels, or a group for each. */
function drawMaps(random: Random, first: boolean): Pick<Conv2dShape, 'channels' | 'filters' | 'groups'> {
  if (first) return { channels: oneOf(random, 1, 3, 3, 3), filters: 8 * upTo(random, 1, 12), groups: 1 };
  const kind = random.integer(8);
  if (kind === 0) {
    const channels = drawChannels(random);
    return { channels, filters: channels, groups: channels };
  }
  if (kind === 1) {
    const groups = oneOf(random, 2, 2, 4, 32);
    return { channels: groups * upTo(random, 4, 64), filters: groups * upTo(random, 4, 64), groups };
  }
  return { channels: drawChannels(random), filters: drawChannels(random), groups: 1 };
}

function drawShape(random: Random): Conv2dShape {
  const kernel = drawKernel(random);
  const widest = Math.max(...kernel);
  // A stride beyond the window would leave values out; 1 x 1 with two does, in shortcuts.
  const strides = Math.min(oneOf(random, 1, 1, 1, 1, 1, 2, 2, 3, 4), widest === 1 ? 2 : widest);
  const dilation = widest === 3 && random.integer(16) === 0 ? 2 : 1;
  const window = dilation * (widest - 1) + 1;
  const height = upTo(random, Math.max(5, window), 227);
  const width = random.integer(6) === 0 ? upTo(random, Math.max(5, window), 227) : height;
  // As many as the window needs to keep the size, or none.
  const keeps = random.integer(5) > 0 ? 1 : 0;
  const [top, left] = kernel.map((taps) => keeps * Math.floor((dilation * (taps - 1)) / 2));
  return {
    batch: upTo(random, 1, 32),
    ...drawMaps(random, random.integer(8) === 0),
    height,
    width,
    kernel,
    strides: [strides, strides],
    pads: [top, left, top, left],
    dilations: [dilation, dilation],
  };
}

function textOf(shape: Conv2dShape, hasBias: boolean, first: boolean, after: boolean): string {
  const { batch, channels, height, width, filters, kernel, strides, pads, dilations, groups } = shape;
  return [
    `${batch} x ${channels} x ${height} x ${width}`,
    `${filters} filters ${kernel.join(' x ')}`,
    ...(strides[0] > 1 ? [`stride ${strides[0]}`] : []),
    ...(pads.some((pad) => pad > 0) ? [`pad ${pads[0]} ${pads[1]}`] : []),
    ...(dilations[0] > 1 ? [`dilation ${dilations[0]}`] : []),
    ...(groups > 1 ? [`${groups} groups`] : []),
    ...(hasBias ? ['bias'] : []),
    ...(first ? ['the first layer'] : after ? ['after a ReLU'] : []),
  ].join(', ');
}

function draw(random: Random): FreshLayer {
  const shape = drawShape(random);
  const { batch, channels, height, width, filters, kernel, groups, strides, pads, dilations } = shape;
  const hasBias = random.integer(3) > 0;
  const first = channels <= 3;
  const after = random.integer(2) === 0;
  const [lines, columns] = conv2dOutput(shape);
  const filter = (channels / groups) * kernel[0] * kernel[1];
  const outputs = batch * filters * lines * columns;
  return {
    text: textOf(shape, hasBias, first, after),
    flops: 2 * outputs * filter,
    bytes: 4 * Math.max(batch * channels * height * width, outputs, filters * filter),
    step() {
      const parameter = (name: string, size: readonly number[]) =>
        new Parameter(name, size, () => new Float32Array(size.reduce((a, b) => a * b)));
      // Nobody needs the gradient of a network's input.
      const source = input('x', [batch, channels, height, width]);
      const weight = parameter('weight', [filters, channels / groups, ...kernel]);
      const bias = hasBias ? parameter('bias', [filters]) : undefined;
      const x = after && !first ? relu(source) : source;
      const y = conv2d(x, weight, bias, { strides, pads, dilations, groups });
      const upstream = input('dy', y.shape);
      return {
        options: { loss: y, upstream, gradients: first ? [] : [source], update: true },
        parameters: [weight, ...(bias === undefined ? [] : [bias])],
      };
    },
  };
}

export const freshConvolutions: FreshLayers = { operator: 'conv2d', draw };
