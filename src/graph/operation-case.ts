/** A case of an operation of tensors, and how a random one is drawn. */
import { type Choose, drawing } from '../check/choose.ts';
import type { Random } from '../random.ts';
import type { GradcheckInput } from './gradcheck.ts';
import { type Shape, sizeOf, type Tensor } from './tensor.ts';

/** An operation on drawn inputs, for gradcheck. */
export interface OperationCase {
  readonly operation: string;
  /** what the inputs' shapes leave open; plain data, so that an oracle elsewhere can read it */
  readonly options: Readonly<Record<string, unknown>>;
  readonly inputs: Readonly<Record<string, GradcheckInput>>;
  build(tensors: Readonly<Record<string, Tensor>>): Tensor;
}

/** Drawn cases of an operation. */
export interface OperationCases {
  readonly operation: string;
  /** A case with shapes by `choose` and values by `random`; one image of it stays below 900 values. */
  draw(choose: Choose, random: Random): OperationCase;
}

/** Case number `index` of a seed: the same on every machine. */
export function drawCase(cases: OperationCases, seed: number, index = 0): OperationCase {
  return cases.draw(...drawing(seed, index));
}

/** The operation, its inputs' shapes and its options in one line. */
export function describeCase({ operation, inputs, options }: OperationCase): string {
  const shapes = Object.entries(inputs).map(([name, { shape }]) => `${name}=[${shape.join(',')}]`);
  const rest = Object.entries(options).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return [operation, ...shapes, ...rest].join(' ');
}

export const normal = (random: Random, shape: Shape): GradcheckInput => ({
  shape,
  values: Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
});

/** Extents of an image batch [N, C, H, W]. */
export const image = (choose: Choose): [number, number, number, number] => [
  choose(1, 5),
  choose(1, 7),
  choose(1, 9),
  choose(1, 9),
];

export function define(operation: string, draw: (choose: Choose, random: Random) => Omit<OperationCase, 'operation'>) {
  return { operation, draw: (choose: Choose, random: Random) => ({ operation, ...draw(choose, random) }) };
}
