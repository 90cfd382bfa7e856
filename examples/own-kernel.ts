/**
 * A kernel of one's own, held to what the package's are held to: softsign, y = x / (1 + |x|), dL/dx = dL/dy / (1 + |x|)^2.
 * Defined in two variants, checked over drawn cases against float64, broken on purpose, tuned, timed beside the package's
 * SiLU, and used in a network with its backward pass. `node own-kernel.js`
 */
import {
  allKernels,
  apply,
  checkKernelCases,
  checkMutations,
  checkReferences,
  choiceText,
  compile,
  defineFamily,
  defineKernel,
  drawKernelCases,
  elementwise,
  exactly,
  flatWindows,
  Gpu,
  gradcheck,
  input,
  type KernelCase,
  linear,
  Parameter,
  Random,
  rows,
  softmaxCrossEntropy,
  type Tensor,
  timeKernels,
  tuneKernel,
  valuesOf,
} from 'frostline';

// 1. The kernels. `elementwise` makes two variants of a text: one element a thread, and several.
const params = { count: 'u32' } as const;

const forward = defineKernel({
  name: 'softsign/forward',
  params,
  bindings: { x: { access: 'read' }, y: { access: 'write' } },
  cost: ({ count }) => ({ flops: 3 * count, bytes: 8 * count }),
  variants: elementwise<typeof params>(
    ({ count }) => count,
    'p.count',
    /* wgsl */ `
  let value = x[p.x_base + index];
  y[p.y_base + index] = value / (1.0 + abs(value));`,
  ),
});

const backward = defineKernel({
  name: 'softsign/backward',
  params,
  bindings: { x: { access: 'read' }, dy: { access: 'read' }, dx: { access: 'write' } },
  cost: ({ count }) => ({ flops: 4 * count, bytes: 12 * count }),
  variants: elementwise<typeof params>(
    ({ count }) => count,
    'p.count',
    /* wgsl */ `
  let size = 1.0 + abs(x[p.x_base + index]);
  // Divided twice: the square would pass single precision.
  dx[p.dx_base + index] = dy[p.dy_base + index] / size / size;`,
  ),
});

// 2. Cases: float64 references, and the roundings that they allow, in units of 2^-24 of the value.
const softsign64 = (x: ArrayLike<number>) => Float64Array.from(x, (v) => v / (1 + Math.abs(v)));

function forwardCase(x: Float32Array<ArrayBuffer>): KernelCase {
  return {
    name: forward.name,
    description: `n=${x.length}`,
    kernel: forward,
    params: { count: x.length },
    inputs: { x },
    outputs: { y: x.length },
    // The sum is off by 1 unit, a division by 2.5 in the last place, of 2 units each.
    reference: () => ({ y: { values: softsign64(x), units: 1 + 5 } }),
  };
}

const family = defineFamily<number>({
  names: [forward.name, backward.name],
  examples: [1, 64, 65, 4097],
  shape: (choose) => choose(1, 300),
  cases(count, kind, random) {
    const x = valuesOf(random, kind, count);
    const dy = valuesOf(random, 'normal', count);
    const gradient = () => Float64Array.from(dy, (v, i) => v / (1 + Math.abs(x[i])) ** 2);
    return [
      forwardCase(x),
      {
        name: backward.name,
        description: `n=${count}`,
        kernel: backward,
        params: { count },
        inputs: { x, dy },
        outputs: { dx: count },
        reference: () => ({ dx: { values: gradient(), units: 2 * (1 + 5) } }),
        // The reference itself is held to differences of what it says to be the derivative of.
        ...(kind === 'normal' && { derivative: { at: x, upstream: dy, forward: softsign64, gradient } }),
      },
    ];
  },
});

const gpu = await Gpu.open();
const cases = [...family.examples(new Random(1)), ...[1, 2, 3, 4].flatMap((seed) => drawKernelCases(family, seed))];

// 3. Every case in every variant and configuration; and the references of derivatives.
const findings = await checkKernelCases(gpu, cases);
const problems = findings.flatMap(({ testCase, problem }) => problem && `${testCase.description}: ${problem}`);
console.log(`checked: ${findings.length} runs, problems: ${problems.filter(Boolean).join('; ') || 'none'}`);
console.log('references:', checkReferences(cases, 1)?.problems.join('; ') || 'are derivatives');

// 4. Do the cases notice what is wrong? Each phrase is broken in the final WGSL of each variant.
const outcomes = await checkMutations(gpu, cases, {
  [forward.name]: [
    { name: 'the sign of the sum', find: '1.0 + abs', replace: '1.0 - abs' },
    { name: 'abs left out', find: '1.0 + abs(value)', replace: '1.0 + value' },
  ],
  [backward.name]: [
    { name: 'divided once', find: ' / size / size', replace: ' / size' },
    { name: 'x for dy', find: 'dy[p.dy_base + index]', replace: 'x[p.x_base + index]' },
  ],
});
const survivors = outcomes.filter(({ caughtBy }) => caughtBy === undefined);
console.log(
  `mutations: ${outcomes.length}, survived: ${survivors.map(({ mutation }) => mutation).join('; ') || 'none'}`,
);
// A case that expects too little is found so: on zeros softsign is what the identity is.
const zeros = { ...forwardCase(new Float32Array(64)), reference: () => ({ y: exactly(new Float32Array(64)) }) };
const blind = await checkMutations(gpu, [zeros], {
  [forward.name]: [{ name: 'the identity', find: ' / (1.0 + abs(value))', replace: '' }],
});
console.log('zeros alone notice the identity:', blind[0].caughtBy !== undefined);

// 5. The quickest variant for a size, which runs from now on; and the time beside the package's own.
const large = forwardCase(valuesOf(new Random(2), 'normal', 2 ** 18));
const tuned = await tuneKernel(gpu, large, { seconds: 0.2 });
console.log(`tuned: ${choiceText(tuned.choice)} of ${tuned.measurements.length}, kept: ${tuned.recorded}`);
const silu = { ...large, name: 'silu', kernel: allKernels.get('silu/forward')! };
for (const { name, choice, milliseconds, spread } of await timeKernels(gpu, [large, silu])) {
  console.log(`${name} ${choiceText(choice)}: ${milliseconds.toPrecision(3)} ms +- ${spread.toPrecision(1)}`);
}

// 6. An operation of them, in windows that the adapter's bindings hold; frozen layers before it need no gradient.
function softsign(x: Tensor): Tensor {
  return apply(
    {
      name: 'softsign',
      forward({ gpu, value, output, run }) {
        for (const window of flatWindows(gpu, x.size)) {
          const views = { x: rows(value(x), 4, window), y: rows(value(output), 4, window) };
          run(forward, { count: window.count }, views);
        }
      },
      backward({ gpu, value, outputGradient, gradient, run }) {
        const dx = gradient(0);
        if (dx === undefined) return;
        for (const window of flatWindows(gpu, x.size)) {
          const at = { x: rows(value(x), 4, window), dy: rows(outputGradient, 4, window) };
          run(backward, { count: window.count }, { ...at, dx: rows(dx, 4, window) });
        }
      },
    },
    [x],
    x.shape,
  );
}

const random = new Random(3);
const normal = (length: number, scale = 1) => Float32Array.from({ length }, () => scale * random.normal());
const report = await gradcheck(gpu, ({ x, w }) => softsign(linear(x, w)), {
  x: { shape: [3, 5], values: normal(15) },
  w: { shape: [4, 5], values: normal(20) },
});
console.log('gradcheck:', report.passed ? 'passed' : report.problems);

const images = input('images', [4, 10]);
const labels = input('labels', [4], 'u32');
const hidden = softsign(linear(images, new Parameter('w1', [6, 10], normal(60, 0.4))));
const loss = softmaxCrossEntropy(linear(hidden, new Parameter('w2', [3, 6], normal(18, 0.4))), labels);
const step = await compile(gpu, { loss, update: true });
step.write(images, normal(40));
step.write(labels, Uint32Array.of(0, 1, 2, 1));
const losses: number[] = [];
for (let i = 0; i < 60; i++) {
  step.setStep({ learningRate: 0.2, momentum: 0.9, weightDecay: 0, step: i, seed: 1 });
  losses.push(new Float32Array((await step.run([loss]))[0])[0]);
}
console.log(`loss ${losses[0].toFixed(3)} -> ${losses[59].toFixed(3)}`);
step.destroy();
gpu.destroy();
