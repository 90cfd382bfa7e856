/** Starting values of parameters, made when they are asked for. */
import { hash32, randomBits } from '../random.ts';
import type { ParameterValue } from './network.ts';

/**
 * Uniform in [-limit, limit) with a hash of its position for each value: all 61 million parameters of AlexNet in about a second. The values
 * depend on seed and name alone, not on the order in which parameters are made.
 */
export function uniformParameter(shape: readonly number[], limit: number, seed: number, name: string): ParameterValue {
  return lazyParameter(shape, () => {
    let stream = seed >>> 0;
    for (let i = 0; i < name.length; i++) stream = randomBits(stream, name.charCodeAt(i));
    const data = new Float32Array(shape.reduce((product, dim) => product * dim, 1));
    const scale = limit / 2 ** 31;
    for (let i = 0; i < data.length; i++) data[i] = (hash32((hash32(i) ^ stream) >>> 0) - 2 ** 31) * scale;
    return data;
  });
}

/**
 * Glorot and Bengio 2010: uniform with limit sqrt(6 / (in + out)), MATLAB's default for fully connected layers.
 *
 * @param shape [out, in] or [out, in, kernel height, kernel width]
 */
export function glorotUniform(shape: readonly number[], seed: number, name: string): ParameterValue {
  const [out, into, ...kernel] = shape;
  const area = kernel.reduce((product, dim) => product * dim, 1);
  return uniformParameter(shape, Math.sqrt(6 / ((into + out) * area)), seed, name);
}

/** He et al. 2015: uniform with limit sqrt(6 / in), for layers before a ReLU. Shape as in `glorotUniform`. */
export function heUniform(shape: readonly number[], seed: number, name: string): ParameterValue {
  const fanIn = shape.slice(1).reduce((product, dim) => product * dim, 1);
  return uniformParameter(shape, Math.sqrt(6 / fanIn), seed, name);
}

export function zeros(shape: readonly number[]): ParameterValue {
  return lazyParameter(shape, () => new Float32Array(shape.reduce((product, dim) => product * dim, 1)));
}

/** A parameter whose values are made when they are read, and held no longer than by their reader. */
export function lazyParameter(shape: readonly number[], make: () => Float32Array): ParameterValue {
  let held: WeakRef<Float32Array> | undefined;
  return {
    shape,
    get data() {
      let data = held?.deref();
      if (data === undefined) {
        data = make();
        held = new WeakRef(data);
      }
      return data;
    },
  };
}
