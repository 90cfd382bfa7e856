/** What the algorithms of a convolution have in common: the three problems, what they read and write, and windows. */
import type { Precision, Storage } from '../../../gpu/storage.ts';
import { type Applied, type Destination, type ForwardEmitter, refuse } from '../../../graph/operation.ts';
import type { Tensor } from '../../../graph/tensor.ts';
import { type Window, windows } from '../../../graph/windows.ts';
import { type Conv2dShape, conv2dOutput, type Direction } from '../../../kernels/conv2d/shape.ts';
import type { Capabilities } from '../../../kernels/kernel.ts';
import type { Algorithm } from '../../algorithms/algorithm.ts';

export interface Convolution {
  readonly name: string;
  readonly shape: Conv2dShape;
  readonly hasBias: boolean;
  /** the derivative of the map before is to be applied to the input gradient */
  readonly differentiates: boolean;
  /** what is packed of the weight is made once, not in each run */
  readonly weightLasts: boolean;
  /** of the filter gradient: forward has left it the tiles of the images */
  readonly tilesLeft?: boolean;
}

/** What forward may leave to the filter gradient: bytes at four each value, and what they are stored as. */
export interface Left {
  readonly bytes: number;
  readonly precision: Precision;
}

/** What its time depends on. The derivative of a map before hardly matters to it. */
export function caseOf({ shape, hasBias, weightLasts, tilesLeft }: Convolution): string {
  const sizes = Object.entries(shape).map(
    ([name, value]) => `${name} ${Array.isArray(value) ? value.join(',') : value}`,
  );
  const said = { 'with bias': hasBias, 'weight packed once': weightLasts, 'tiles left by forward': tilesLeft };
  return [...sizes, ...Object.entries(said).flatMap(([text, holds]) => (holds ? [text] : []))].join(' ');
}

/** What each direction reads and writes. */
export interface Operands {
  forward: {
    readonly x: Storage;
    readonly weight: Tensor;
    readonly bias?: Tensor;
    readonly y: Storage;
    /** where the tiles of all images go, for the filter gradient */
    readonly tiles?: Storage;
  };
  'input gradient': { readonly dy: Storage; readonly weight: Tensor; readonly dx: Storage };
  'filter gradient': {
    readonly x: Storage;
    readonly dy: Storage;
    readonly dw: Destination;
    /** of all images, transformed by forward */
    readonly tiles?: Storage;
  };
}

export interface ConvolutionAlgorithm<D extends Direction = Direction> extends Algorithm<Convolution, Operands[D]> {
  /** What forward can leave to the filter gradient, and that it is worth its memory. */
  leaves?(adapter: Capabilities, problem: Convolution): Left | undefined;
  /** the filter gradient takes what forward left */
  readonly takesTiles?: boolean;
}

/** An algorithm in the directions that it serves. */
export type Serves = { readonly [D in Direction]?: ConvolutionAlgorithm<D> };

export const inEachDirection = (make: <D extends Direction>(direction: D) => ConvolutionAlgorithm<D>): Serves => ({
  forward: make('forward'),
  'input gradient': make('input gradient'),
  'filter gradient': make('filter gradient'),
});

/** Bytes of one image, one output, one filter. */
export function bytesOf({ channels, height, width, filters, kernel, groups, ...rest }: Conv2dShape) {
  const [lines, columns] = conv2dOutput({ channels, height, width, filters, kernel, groups, ...rest });
  const plane = lines * columns;
  return {
    plane,
    image: 4 * channels * height * width,
    output: 4 * filters * plane,
    filter: (4 * channels * kernel[0] * kernel[1]) / groups,
  };
}

/** Images in windows of whole ones, beside what else an image takes in a binding. */
export function imageWindows({ gpu }: Pick<ForwardEmitter, 'gpu'>, { name, shape }: Convolution, also = 0): Window[] {
  const { image, output } = bytesOf(shape);
  return windows(gpu, shape.batch, [image, output, also], `${name}: one image`);
}

/** Filters in windows of whole ones, where the weight passes the limit; then without groups. */
export function filterWindows({ gpu }: Pick<ForwardEmitter, 'gpu'>, { name, shape }: Convolution): Window[] {
  const found = windows(gpu, shape.filters, [bytesOf(shape).filter], `${name}: one filter`);
  if (found.length > 1 && shape.groups > 1) {
    const bytes = shape.filters * bytesOf(shape).filter;
    refuse(name, `the weight of ${bytes} bytes in ${shape.groups} groups passes one binding`, 'Split it.');
  }
  return found;
}

/** The operand of what is applied to some filters' outputs of some images. */
export function operandOf(
  { operand, epilogues: { combination } }: Applied,
  shape: Conv2dShape,
  images: Window,
  at: Window,
) {
  if (operand === undefined) return undefined;
  return typeof combination?.operand === 'object' ? operand.view(4 * at.first) : outputs(operand, shape, images, at);
}

/** Some filters' outputs of some images: y, or dy. */
export function outputs(storage: Storage, shape: Conv2dShape, images: Window, at: Window) {
  const { plane, output } = bytesOf(shape);
  return storage.view(images.first * output + 4 * at.first * plane, (images.count - 1) * output + 4 * at.count * plane);
}
