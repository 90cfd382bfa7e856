/**
 * Tensors of up to six dimensions by strides. A dense tensor of extents e_0 .. e_5 holds element (i_0 .. i_5) at
 * `index`; another, transposed or broadcast, has the same element at i_0 s_0 + ... + i_5 s_5. A stride of 0 repeats.
 */
import { FrostlineError } from '../errors.ts';

export const AXES = 6;

/**
 * A shape as six extents, 1s before it.
 * @throws FrostlineError for more than six dimensions
 */
export function sixExtents(name: string, shape: readonly number[]): number[] {
  if (shape.length > AXES) {
    throw new FrostlineError(
      `${name}: shape [${shape.join(', ')}] has ${shape.length} dimensions. Use at most ${AXES}.`,
    );
  }
  return [...Array<number>(AXES - shape.length).fill(1), ...shape];
}

/** Strides of a dense tensor. */
export function denseStrides(extents: readonly number[]): number[] {
  return extents.map((_, axis) => extents.slice(axis + 1).reduce((product, extent) => product * extent, 1));
}

/** Strides by which a dense tensor is read as one of a larger shape: 0 where its extent is 1. */
export function broadcastStrides(extents: readonly number[]): number[] {
  return denseStrides(extents).map((stride, axis) => (extents[axis] === 1 ? 0 : stride));
}

type Fields<Prefix extends string, Axis extends string> = { readonly [K in `${Prefix}_${Axis}`]: 'u32' };

/** Parameters PREFIX_1 .. PREFIX_5 for extents (the first is what is left), PREFIX_0 .. PREFIX_5 for strides. */
export function extentFields<Prefix extends string>(prefix: Prefix): Fields<Prefix, '1' | '2' | '3' | '4' | '5'> {
  return fields(prefix, 1) as Fields<Prefix, '1' | '2' | '3' | '4' | '5'>;
}
export function strideFields<Prefix extends string>(prefix: Prefix): Fields<Prefix, '0' | '1' | '2' | '3' | '4' | '5'> {
  return fields(prefix, 0) as Fields<Prefix, '0' | '1' | '2' | '3' | '4' | '5'>;
}
function fields(prefix: string, first: number) {
  return Object.fromEntries(Array.from({ length: AXES - first }, (_, i) => [`${prefix}_${i + first}`, 'u32']));
}

/** The values of these parameters. */
export function extentParams<Prefix extends string>(prefix: Prefix, extents: readonly number[]) {
  return params(prefix, extents, 1) as { [K in `${Prefix}_${'1' | '2' | '3' | '4' | '5'}`]: number };
}
export function strideParams<Prefix extends string>(prefix: Prefix, strides: readonly number[]) {
  return params(prefix, strides, 0) as { [K in `${Prefix}_${'0' | '1' | '2' | '3' | '4' | '5'}`]: number };
}
function params(prefix: string, values: readonly number[], first: number) {
  return Object.fromEntries(values.slice(first).map((value, i) => [`${prefix}_${i + first}`, value]));
}

export const placeStruct = /* wgsl */ `
struct Place { i0: u32, i1: u32, i2: u32, i3: u32, i4: u32, i5: u32 }`;

/** WGSL: \`NAME(index)\`, the coordinates of an element of a dense tensor with these extents. Needs \`placeStruct\`. */
export const placeFunction = (name: string, extents: string) => /* wgsl */ `
fn ${name}(index: u32) -> Place {
  let q5 = index / p.${extents}_5;
  let q4 = q5 / p.${extents}_4;
  let q3 = q4 / p.${extents}_3;
  let q2 = q3 / p.${extents}_2;
  let q1 = q2 / p.${extents}_1;
  return Place(
    q1,
    q2 - q1 * p.${extents}_1,
    q3 - q2 * p.${extents}_2,
    q4 - q3 * p.${extents}_3,
    q5 - q4 * p.${extents}_4,
    index - q5 * p.${extents}_5,
  );
}`;

/** WGSL: where these coordinates lie by these strides. */
export const offset = (place: string, strides: string) =>
  Array.from({ length: AXES }, (_, axis) => `${place}.i${axis} * p.${strides}_${axis}`).join(' + ');
