/**
 * An operation of one's own, with WGSL of one's own: softplus, y = log(1 + exp(x)), dL/dx = dL/dy / (1 + exp(-x)). Checked
 * against differences, timed beside the package's SiLU, and used in a network like any other. `node own-operator.js`
 */
import {
  apply,
  compile,
  defineKernel,
  Gpu,
  gradcheck,
  input,
  linear,
  Parameter,
  perElement,
  Random,
  silu,
  softmaxCrossEntropy,
  type Tensor,
} from 'frostline';

const count = { count: 'u32' } as const;

const forward = defineKernel({
  name: 'softplus/forward',
  params: count,
  bindings: { x: { access: 'read' }, y: { access: 'write' } },
  cost: (p) => ({ flops: 4 * p.count, bytes: 8 * p.count }),
  variants: [
    perElement<typeof count>(
      (p) => p.count,
      'p.count',
      /* wgsl */ `
  let value = x[p.x_base + index];
  // No power grows beyond single precision.
  y[p.y_base + index] = max(value, 0.0) + log(1.0 + exp(-abs(value)));`,
    ),
  ],
});

const backward = defineKernel({
  name: 'softplus/backward',
  params: count,
  bindings: { x: { access: 'read' }, dy: { access: 'read' }, dx: { access: 'write' } },
  cost: (p) => ({ flops: 4 * p.count, bytes: 12 * p.count }),
  variants: [
    perElement<typeof count>(
      (p) => p.count,
      'p.count',
      /* wgsl */ `
  dx[p.dx_base + index] = dy[p.dy_base + index] / (1.0 + exp(-x[p.x_base + index]));`,
    ),
  ],
});

/** Of any shape, elementwise. */
function softplus(x: Tensor): Tensor {
  return apply(
    {
      name: 'softplus',
      forward({ inputs, output, value, run }) {
        run(forward, { count: x.size }, { x: value(inputs[0]).view(), y: value(output).view() });
      },
      backward({ inputs, value, outputGradient, gradient, run }) {
        const dx = gradient(0);
        // Nobody asks for it where everything before is frozen.
        if (dx === undefined) return;
        run(backward, { count: x.size }, { x: value(inputs[0]).view(), dy: outputGradient.view(), dx: dx.view() });
      },
    },
    [x],
    x.shape,
  );
}

const gpu = await Gpu.open();
const random = new Random(3);
const normal = (length: number, scale = 1) => Float32Array.from({ length }, () => scale * random.normal());

// 1. Is the derivative that of the function?
const report = await gradcheck(gpu, ({ x }) => softplus(x), { x: { shape: [5, 7], values: normal(35, 3) } });
console.log('gradcheck:', report.passed ? 'passed' : report.problems);

// 2. Is the function the one that is meant? Against double precision.
const x = input('x', [1009]);
const values = normal(1009, 20);
const y = softplus(x);
const graph = await compile(gpu, { outputs: [y] });
const expected = Float64Array.from(values, (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v))));
graph.write(x, values);
await graph.run();
const found = await graph.read(y);
const off = found.map((value, i) => Math.abs(value - expected[i]) / Math.max(1, expected[i]));
console.log('largest error:', Math.max(...off).toPrecision(2));
graph.destroy();

// 3. How long does it take, beside the package's SiLU?
const large = input('large', [2 ** 20]);
for (const [name, made] of [
  ['softplus', softplus(large)],
  ['silu', silu(large)],
] as const) {
  const timed = await compile(gpu, { outputs: [made] });
  timed.write(large, normal(2 ** 20));
  const spans: number[] = [];
  for (let i = 0; i < 9; i++) {
    const [[begin, end]] = await timed.trace();
    spans.push(end - begin);
  }
  console.log(`${name}: ${spans.sort((a, b) => a - b)[4].toPrecision(3)} ms for ${large.size} values`);
  timed.destroy();
}

// 4. In a network.
const images = input('images', [4, 10]);
const labels = input('labels', [4], 'u32');
const hidden = softplus(linear(images, new Parameter('w1', [6, 10], normal(60, 0.4))));
const loss = softmaxCrossEntropy(linear(hidden, new Parameter('w2', [3, 6], normal(18, 0.4))), labels);
const step = await compile(gpu, { loss, update: true });
step.write(images, normal(40));
step.write(labels, Uint32Array.of(0, 1, 2, 1));
const losses: number[] = [];
for (let i = 0; i < 30; i++) {
  step.setStep({ learningRate: 0.1, momentum: 0.9, weightDecay: 0, step: i, seed: 1 });
  losses.push(new Float32Array((await step.run([loss]))[0])[0]);
}
console.log(`loss ${losses[0].toFixed(3)} -> ${losses[29].toFixed(3)}`);
step.destroy();
gpu.destroy();
