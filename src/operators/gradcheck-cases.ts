/**
 * What gradcheck looks at beside single operations of a few values: convolutions and fully connected layers by each
 * algorithm, at shapes of more than one of its tiles, strips and phases, and graphs that branch, whose gradients are summed.
 */
import type { Choose } from '../check/choose.ts';
import { plannedGpu } from '../gpu/planned.ts';
import { define, normal, type OperationCases } from '../graph/operation-case.ts';
import type { Shape, Tensor } from '../graph/tensor.ts';
import { add, multiply } from './arithmetic/graph.ts';
import { concat } from './concat/graph.ts';
import type { Convolution } from './conv2d/algorithms/convolution.ts';
import { convolutionDecisions } from './conv2d/algorithms/index.ts';
import { conv2d } from './conv2d/graph.ts';
import { linearDecisions } from './linear/algorithms/index.ts';
import { linear } from './linear/graph.ts';
import { averagePool, maxPool } from './pooling/graph.ts';
import { relu } from './relu/graph.ts';
import { sigmoid } from './sigmoid/graph.ts';

/** Cases for an adapter that is told to use an algorithm of an operator. */
export interface CasesOfAlgorithm {
  readonly operator: 'conv2d' | 'linear';
  readonly algorithm: string;
  /** it is open on GPUs alone, or where an adapter is planned for as one */
  readonly kind?: 'hardware';
  readonly cases: OperationCases;
}

interface Drawn {
  readonly x: Shape;
  readonly weight: Shape;
  readonly bias: boolean;
  readonly pads: readonly [number, number, number, number];
}

/** Rows longer than a strip, more channels and filters than a tile has, and some over. */
const large = (choose: Choose): Drawn => {
  const [channels, filters, pad] = [choose(1, 9), choose(1, 18), choose(0, 1)];
  const x = [choose(1, 3), channels, choose(3, 9), choose(9, 33)];
  return { x, weight: [filters, channels, 3, 3], bias: choose(0, 1) === 1, pads: [pad, pad, pad, pad] };
};

// Panels of a product, and some over.
const pointwise = (choose: Choose): Drawn => {
  const [channels, filters] = [choose(1, 40), choose(1, 70)];
  const x = [choose(1, 3), channels, choose(3, 7), choose(3, 11)];
  return { x, weight: [filters, channels, 1, 1], bias: false, pads: [0, 0, 0, 0] };
};

// Sums so long, and so few of them, that parts pay.
const longSums = (choose: Choose): Drawn => {
  const channels = choose(64, 160);
  const [x, weight] = [
    [1, channels, 3, choose(3, 4)],
    [choose(1, 2), channels, 3, 3],
  ];
  return { x, weight, bias: choose(0, 1) === 1, pads: [0, 0, 0, 0] };
};

/** An algorithm is drawn the first of these that it computes, at its smallest and at its largest. */
const KINDS = [large, pointwise, longSums];
const EXTREMES: readonly Choose[] = [(low) => low, (_, high) => high];
/** What computes nothing on a rasteriser is checked where an adapter is planned for as a GPU. */
const PLANNED = [
  [undefined, plannedGpu('lavapipe')],
  ['hardware', plannedGpu('h100')],
] as const;

function problemOf({ x, weight, bias, pads }: Drawn): Convolution {
  const [batch, channels, height, width] = x;
  const [filters, , ...kernel] = weight;
  const same = { strides: [1, 1], dilations: [1, 1], groups: 1 } as const;
  const shape = { batch, channels, height, width, filters, kernel: [kernel[0], kernel[1]] as const, pads, ...same };
  return { name: 'drawn', shape, hasBias: bias, differentiates: false, weightLasts: false };
}

function drawnFor(algorithm: string) {
  const own = Object.values(convolutionDecisions).flatMap(({ algorithms }) =>
    algorithms.filter(({ name }) => name === algorithm),
  );
  for (const [kind, adapter] of PLANNED) {
    const draw = KINDS.find((of) =>
      own.some((one) => EXTREMES.every((choose) => one.obstacle(adapter, problemOf(of(choose))) === undefined)),
    );
    if (draw !== undefined) return { kind, draw };
  }
  throw new Error(`conv2d's ${algorithm} computes no kind of convolution that gradcheck draws: one is missing here.`);
}

const names = [
  ...new Set(Object.values(convolutionDecisions).flatMap(({ algorithms }) => algorithms.map(({ name }) => name))),
];

const ofConvolution = names.map((algorithm): CasesOfAlgorithm => {
  const { kind, draw } = drawnFor(algorithm);
  return {
    operator: 'conv2d',
    algorithm,
    kind,
    cases: define(`conv2d by ${algorithm}`, (choose, random) => {
      const { x, weight, bias, pads } = draw(choose);
      return {
        options: { pads },
        inputs: {
          x: normal(random, x),
          weight: normal(random, weight),
          ...(bias ? { bias: normal(random, [weight[0]]) } : undefined),
        },
        // With maps on both sides: what applies them, or their derivatives, is looked at, too.
        build: ({ x, weight, bias }) => sigmoid(conv2d(sigmoid(x), weight, bias, { pads })),
      };
    }),
  };
});

/** Sums in parts are open on GPUs alone. */
const kindOf = (algorithm: string) => (algorithm.endsWith('-in-parts') ? 'hardware' : undefined);

/** Panels of a product, items of a lane, and some over; or a sum that is worth parts. */
const ofLinear = linearDecisions.forward.algorithms.map(
  ({ name: algorithm }): CasesOfAlgorithm => ({
    operator: 'linear',
    algorithm,
    kind: kindOf(algorithm),
    cases: define(`linear by ${algorithm}`, (choose, random) => {
      const long = kindOf(algorithm) !== undefined;
      const batch = long ? choose(1, 3) : choose(1, 40);
      const inputs = 4 * (long ? choose(256, 400) : choose(1, 20));
      const outputs = long ? choose(1, 3) : choose(1, 70);
      return {
        options: {},
        inputs: {
          x: normal(random, [batch, inputs]),
          weight: normal(random, [outputs, inputs]),
          ...(choose(0, 1) === 1 ? { bias: normal(random, [outputs]) } : undefined),
        },
        build: (tensors) => linear(tensors['x'], tensors['weight'], tensors['bias']),
      };
    }),
  }),
);

export const algorithmCases: readonly CasesOfAlgorithm[] = [...ofConvolution, ...ofLinear];

type Branching = (t: Readonly<Record<'x' | 'w' | 'u', Tensor>>) => Tensor;

const same = { pads: [1, 1, 1, 1] } as const;
const conv = (x: Tensor, weight: Tensor) => conv2d(x, weight, undefined, same);

/** By name: graphs of images x with C channels and filters w [C, C, 3, 3], u [C, 2 C, 3, 3]. */
const BRANCHING: readonly (readonly [string, Branching])[] = [
  ['a shortcut', ({ x, w, u }) => conv(concat([relu(add(conv(x, w), x)), x]), u)],
  ['a filter of two readers', ({ x, w, u }) => conv(concat([conv(relu(x), w), conv(x, w)]), u)],
  ['a gate', ({ x, w, u }) => conv(concat([multiply(sigmoid(conv(x, w)), x), x]), u)],
  [
    'three ways',
    ({ x, w, u }) => {
      const pool = { kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1] } as const;
      return conv(concat([add(conv(x, w), maxPool(x, pool)), averagePool(x, pool)]), u);
    },
  ],
  [
    'what is made is read again and again',
    ({ x, w, u }) => {
      const made = relu(conv(x, w));
      return add(conv(concat([made, x]), u), multiply(made, made));
    },
  ],
];

export const branchingCases: OperationCases = define('branches', (choose, random) => {
  const [what, build] = BRANCHING[choose(0, BRANCHING.length - 1)];
  const channels = choose(1, 4);
  return {
    options: { what },
    inputs: {
      x: normal(random, [choose(1, 3), channels, choose(2, 7), choose(2, 7)]),
      w: normal(random, [channels, channels, 3, 3]),
      u: normal(random, [channels, 2 * channels, 3, 3]),
    },
    build: ({ x, w, u }) => build({ x, w, u }),
  };
});
