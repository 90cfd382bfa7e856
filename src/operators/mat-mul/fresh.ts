/** Products of matrices as networks have them, drawn to measure the choice of algorithms on. */
import { input } from '../../graph/tensor.ts';
import type { Random } from '../../random.ts';
import { type FreshLayer, type FreshLayers, oneOf, upTo } from '../algorithms/trial.ts';
import { matMul } from './graph.ts';

/** Attention of some heads, its scores or what they weigh; or one product an image, as bilinear pooling has it. */
function drawSizes(random: Random): [number, number, number, number] {
  const kind = random.integer(3);
  if (kind === 2) return [upTo(random, 1, 16), upTo(random, 8, 1024), upTo(random, 8, 1024), upTo(random, 8, 1024)];
  const products = upTo(random, 1, 16) * oneOf(random, 1, 3, 4, 6, 8, 12, 16);
  const places = upTo(random, 8, 512);
  const width = oneOf(random, 16, 32, 48, 64, 64, 96, 128);
  return kind === 0 ? [products, places, width, places] : [products, places, places, width];
}

function draw(random: Random): FreshLayer {
  const [products, m, k, p] = drawSizes(random);
  return {
    text: `${products} products of ${m} x ${k} by ${k} x ${p}`,
    flops: 2 * products * m * k * p,
    bytes: 4 * products * Math.max(m * k, k * p, m * p),
    step() {
      const [a, b] = [input('a', [products, m, k]), input('b', [products, k, p])];
      const y = matMul(a, b);
      return { options: { loss: y, upstream: input('dy', y.shape), gradients: [a, b] }, parameters: [] };
    },
  };
}

export const freshProducts: FreshLayers = { operator: 'matMul', draw };
