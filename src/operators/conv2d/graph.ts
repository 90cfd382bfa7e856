/** Convolution as an operation of tensors; the mathematics stands in ../../kernels/conv2d/conv2d.ts. */
import { checkArguments, type Expectation, OBJECT } from '../../arguments.ts';
import { emitBias } from '../../graph/bias-gradient.ts';
import { apply, expect4d, type ForwardEmitter, hasDerivative } from '../../graph/operation.ts';
import { checkTensors, Tensor } from '../../graph/tensor.ts';
import { conv2dOutput } from '../../kernels/conv2d/shape.ts';
import { asked, checkAttributes } from '../operator.ts';
import { bytesOf, type Convolution } from './algorithms/convolution.ts';
import { selectConvolution, tilesLeft } from './algorithms/index.ts';
import { attributes, type Conv2dAttributes, geometry } from './shape.ts';

const BIAS: Expectation = {
  is: (value) => value === undefined || value instanceof Tensor,
  words: 'a tensor, or undefined before the options',
};

/** Strides, pads (top, left, bottom, right), dilations and groups of a convolution. */
export interface Conv2dOptions extends Partial<Conv2dAttributes> {
  readonly name?: string;
}

/**
 * y [N, F, H', W'] = x [N, C, H, W] convolved with weight [F, C / groups, kh, kw], plus bias [F] where given. ONNX Conv.
 * @throws FrostlineError when shapes do not fit or nothing is left of the image
 */
export function conv2d(x: Tensor, weight: Tensor, bias: Tensor | undefined, options: Conv2dOptions = {}): Tensor {
  checkArguments('conv2d', { options: [options, OBJECT] });
  const { name = 'conv2d', strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1, ...rest } = options;
  checkTensors(name, { x, weight });
  checkArguments(name, { bias: [bias, BIAS] });
  const [batch, ...item] = expect4d(name, x);
  const given = { strides, pads, dilations, groups };
  const found = asked(`${name}:`, () => {
    // What is left are names that there are not.
    checkAttributes(attributes, { ...given, ...rest });
    return geometry({ attributes: given, inputs: [{ name: x.name, shape: item }], parameters: { weight, bias } });
  });
  const shape = { ...found, batch };
  const { plane } = bytesOf(shape);
  const problem: Convolution = { name, shape, hasBias: bias !== undefined, differentiates: false, weightLasts: false };
  const lasting = (emit: ForwardEmitter): Convolution => ({ ...problem, weightLasts: emit.lasts(weight) });
  /** The tiles that forward leaves to the filter gradient: it reads them again, in place of the images. */
  const tilesOf = (emit: ForwardEmitter) => {
    const left = emit.needs(weight) ? tilesLeft(emit.gpu, lasting(emit)) : undefined;
    return left && emit.saved('tiles of images', left.bytes, left.precision);
  };
  return apply(
    {
      name: 'conv2d',
      fuses: () => true,
      combines: () => true,
      // Only what is the quickest anyway: a slower algorithm costs more than the pass that it saves.
      fusesBefore: (gpu, epilogue) => {
        if (!hasDerivative(epilogue)) return false;
        const { algorithm } = selectConvolution(gpu, 'input gradient', problem);
        return algorithm.obstacle(gpu, { ...problem, differentiates: true }) === undefined;
      },
      forward(emit) {
        const operands = { x: emit.value(x), weight, bias, y: emit.value(emit.output), tiles: tilesOf(emit) };
        selectConvolution(emit.gpu, 'forward', lasting(emit)).algorithm.emit(emit, problem, operands);
      },
      backward(emit) {
        const dy = emit.outputGradient;
        const [dx, dw] = [emit.gradient(0), emit.destination(1)];
        if (dx !== undefined) {
          const back = { ...lasting(emit), differentiates: emit.before !== undefined };
          selectConvolution(emit.gpu, 'input gradient', back).algorithm.emit(emit, back, { dy, weight, dx });
        }
        if (dw !== undefined) {
          const tiles = tilesOf(emit);
          const filter = { ...problem, tilesLeft: tiles !== undefined };
          const operands = { x: emit.value(x), dy, dw, tiles };
          selectConvolution(emit.gpu, 'filter gradient', filter).algorithm.emit(emit, filter, operands);
        }
        if (bias !== undefined) emitBias(emit, 2, { dy, batch, channels: shape.filters, plane, name });
      },
    },
    bias === undefined ? [x, weight] : [x, weight, bias],
    [batch, shape.filters, ...conv2dOutput(shape)],
    name,
  );
}
