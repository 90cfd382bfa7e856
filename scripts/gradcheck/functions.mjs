/**
 * What the table of docs/gradcheck.md is made of: functions that are right, and faults planted in backward passes, each
 * beside its twin in PyTorch. A function takes tensors by name; its twin is an expression of the dictionary `t`.
 */
import * as frostline from '../../dist/index.js';

const { apply, defineKernel, perElement } = frostline;

/** An operation whose backward is wrong, or right: `value` of v, `derivative` of v, y, g = dy, index, count, columns. */
function map(name, value, derivative) {
  const count = ({ count }) => count;
  const cost = ({ count }) => ({ flops: count, bytes: 8 * count });
  const forward = defineKernel({
    name: `${name}/forward`,
    params: { count: 'u32' },
    bindings: { x: { access: 'read' }, y: { access: 'write' } },
    variants: [
      perElement(
        count,
        'p.count',
        `let v = x[p.x_base + index]; y[p.y_base + index] = ${value};`,
        // Not folded away: the sum is rounded.
        'fn keep(v: f32) -> f32 { return bitcast<f32>(bitcast<u32>(v) + 0u); }',
      ),
    ],
    cost,
  });
  const backward = defineKernel({
    name: `${name}/backward`,
    params: { count: 'u32', columns: 'u32' },
    bindings: { x: { access: 'read' }, dy: { access: 'read' }, dx: { access: 'write' } },
    variants: [
      perElement(
        count,
        'p.count',
        `let v = x[p.x_base + index]; let g = dy[p.dy_base + index]; let count = p.count; let columns = p.columns;
         dx[p.dx_base + index] = ${derivative};`,
      ),
    ],
    cost,
  });
  return (x) =>
    apply(
      {
        name,
        forward(emit) {
          emit.run(forward, { count: x.size }, { x: emit.value(x).view(), y: emit.value(emit.output).view() });
        },
        backward(emit) {
          const views = { x: emit.value(x).view(), dy: emit.outputGradient.view(), dx: emit.gradient(0).view() };
          emit.run(backward, { count: x.size, columns: x.shape.at(-1) }, views);
        },
      },
      [x],
      x.shape,
    );
}

/** Shapes number 0 to 3: odd, from a handful of elements to some hundreds. */
const matrix = (n) =>
  [
    [3, 5],
    [7, 4],
    [2, 31],
    [11, 13],
  ][n];
const image = (n) =>
  [
    [1, 2, 5, 5],
    [2, 3, 4, 6],
    [2, 4, 7, 3],
    [3, 2, 6, 7],
  ][n];
const filters = (n, channels, size = 3) => [2 + n, channels, size, size];
const one = (shape) => (n) => ({ x: shape(n) });
const affine = (n) => ({ x: matrix(n), w: [4 + n, matrix(n)[1]], b: [4 + n] });
const layers = (n) => ({ x: image(n), w: filters(n, image(n)[1]), u: filters(n, 2 + n) });

/** Right functions: inputs' shapes, ours, PyTorch's, and how values are drawn (`positive`: of one sign, away from 0). */
const elementwise = (name, value, derivative, torch, drawn = {}) => ({
  name,
  shapes: one(matrix),
  build: (
    (own) => (t) =>
      own(t.x)
  )(map(name, value, derivative)),
  torch: `(lambda v: ${torch})(t['x'])`,
  ...drawn,
});
const positive = { positive: true };
const own = (name, shapes, build, torch, drawn = {}) => ({ name, shapes, build, torch, ...drawn });

const cancelling = (c) =>
  elementwise(`v v + ${c} - ${c}`, `keep(v * v + ${c}.0) - ${c}.0`, '2.0 * v * g', `v * v + ${c} - ${c}`);

export const right = [
  elementwise('square', 'v * v', '2.0 * v * g', 'v * v'),
  elementwise('cube', 'v * v * v', '3.0 * v * v * g', 'v * v * v'),
  elementwise('exp', 'exp(v)', 'exp(v) * g', 'v.exp()'),
  elementwise('sin', 'sin(v)', 'cos(v) * g', 'v.sin()'),
  elementwise('tanh', 'tanh(v)', '(1.0 - tanh(v) * tanh(v)) * g', 'v.tanh()'),
  elementwise('1 / v', '1.0 / v', '-g / (v * v)', '1 / v', positive),
  elementwise('log', 'log(v)', 'g / v', 'v.log()', positive),
  elementwise('log over five decades', 'log(v)', 'g / v', 'v.log()', { wide: true }),
  elementwise('sqrt', 'sqrt(v)', '0.5 * g / sqrt(v)', 'v.sqrt()', positive),
  elementwise('1e6 v v', '1e6 * v * v', '2e6 * v * g', '1e6 * v * v'),
  elementwise('1e-6 v v', '1e-6 * v * v', '2e-6 * v * g', '1e-6 * v * v'),
  cancelling(300),
  cancelling(3000),
  own('relu', one(matrix), (t) => frostline.relu(t.x), "F.relu(t['x'])"),
  own('leakyRelu', one(matrix), (t) => frostline.leakyRelu(t.x, 0.1), "F.leaky_relu(t['x'], 0.1)"),
  own('sigmoid', one(matrix), (t) => frostline.sigmoid(t.x), "t['x'].sigmoid()"),
  own('silu', one(matrix), (t) => frostline.silu(t.x), "F.silu(t['x'])"),
  own('softmax', one(matrix), (t) => frostline.softmax(t.x), "F.softmax(t['x'], 1)"),
  own('logSoftmax', one(matrix), (t) => frostline.logSoftmax(t.x), "F.log_softmax(t['x'], 1)"),
  own('linear', affine, (t) => frostline.linear(t.x, t.w, t.b), "F.linear(t['x'], t['w'], t['b'])"),
  own('linear, biases of 1e-3', affine, (t) => frostline.linear(t.x, t.w, t.b), "F.linear(t['x'], t['w'], t['b'])", {
    scales: { b: 1e-3 },
  }),
  own('linear, biases of 1e-5', affine, (t) => frostline.linear(t.x, t.w, t.b), "F.linear(t['x'], t['w'], t['b'])", {
    scales: { b: 1e-5 },
  }),
  own(
    'linear of 256',
    (n) => ({ x: [2, 256], w: [2 + n, 256] }),
    (t) => frostline.linear(t.x, t.w),
    "F.linear(t['x'], t['w'])",
  ),
  own(
    'conv2d',
    layers,
    (t) => frostline.conv2d(frostline.conv2d(t.x, t.w, undefined, { pads: [1, 1, 1, 1] }), t.u),
    "F.conv2d(F.conv2d(t['x'], t['w'], padding=1), t['u'])",
  ),
  own(
    'conv2d, relu, twice',
    layers,
    (t) =>
      frostline.relu(
        frostline.conv2d(frostline.relu(frostline.conv2d(t.x, t.w, undefined, { pads: [1, 1, 1, 1] })), t.u),
      ),
    "F.relu(F.conv2d(F.relu(F.conv2d(t['x'], t['w'], padding=1)), t['u']))",
  ),
  own(
    'maxPool',
    one(image),
    (t) => frostline.maxPool(t.x, { kernel: [2, 2], strides: [1, 1] }),
    "F.max_pool2d(t['x'], 2, 1)",
  ),
  own(
    'averagePool',
    one(image),
    (t) => frostline.averagePool(t.x, { kernel: [2, 2], strides: [1, 1] }),
    "F.avg_pool2d(t['x'], 2, 1)",
  ),
  own(
    'lrn',
    one(image),
    (t) => frostline.lrn(t.x, { size: 3, alpha: 1, beta: 0.75, bias: 1 }),
    "F.local_response_norm(t['x'], 3, 1.0, 0.75, 1.0)",
  ),
  own(
    'multiply',
    (n) => ({ x: matrix(n), w: matrix(n) }),
    (t) => frostline.multiply(t.x, t.w),
    "t['x'] * t['w']",
  ),
  own(
    'divide',
    (n) => ({ x: matrix(n), w: matrix(n) }),
    (t) => frostline.divide(t.x, t.w),
    "t['x'] / t['w']",
    positive,
  ),
].map((row) => ({ ...row, fault: undefined }));

/** The identity with such a backward, before the input `at` of a right function. */
const planted = (fault, at, into, wgsl, torch) => {
  const base = right.find(({ name }) => name === into);
  const identity = map('identity', 'v', wgsl);
  return {
    ...base,
    name: `${into}: ${fault}`,
    fault,
    build: (t) => base.build({ ...t, [at]: identity(t[at]) }),
    torch: base.torch.replaceAll(`t['${at}']`, `plant(t['${at}'])`),
    plant: torch,
  };
};
/** An elementwise function with another derivative. */
const wrong = (name, derivative, torch) => {
  const base = right.find((row) => row.name === name);
  const values = {
    square: 'v * v',
    exp: 'exp(v)',
    sin: 'sin(v)',
    tanh: 'tanh(v)',
    '1 / v': '1.0 / v',
    log: 'log(v)',
    sqrt: 'sqrt(v)',
    cube: 'v * v * v',
  };
  const own = map(name, values[name], derivative);
  return { ...base, name: `${name}: ${derivative}`, fault: derivative, build: (t) => own(t.x), derivative: torch };
};

export const faults = [
  planted('sign', 'x', 'linear', '-g', '-g'),
  planted('nothing', 'w', 'linear', '0.0 * g', '0 * g'),
  planted('doubled', 'b', 'linear', '2.0 * g', '2 * g'),
  planted('1 % more', 'w', 'conv2d', '1.01 * g', '1.01 * g'),
  planted('1 % more', 'x', 'softmax', '1.01 * g', '1.01 * g'),
  planted(
    'last element left out',
    'w',
    'linear',
    'select(g, 0.0, index + 1u == count)',
    'torch.where(i + 1 == count, 0, g)',
  ),
  planted(
    'first element doubled',
    'w',
    'conv2d, relu, twice',
    'select(g, 2.0 * g, index == 0u)',
    'torch.where(i == 0, 2 * g, g)',
  ),
  planted(
    'every tenth left out',
    'w',
    'linear of 256',
    'select(g, 0.0, index % 10u == 3u)',
    'torch.where(i % 10 == 3, 0, g)',
  ),
  planted(
    'last column left out',
    'x',
    'conv2d',
    'select(g, 0.0, index % columns + 1u == columns)',
    'torch.where(i % columns + 1 == columns, 0, g)',
  ),
  planted(
    'first row 10 % less',
    'x',
    'logSoftmax',
    'select(g, 0.9 * g, index < columns)',
    'torch.where(i < columns, 0.9 * g, g)',
  ),
  planted('neighbour', 'x', 'maxPool', 'dy[p.dy_base + (index + 1u) % count]', 'g.roll(-1)'),
  planted('reversed', 'x', 'averagePool', 'dy[p.dy_base + count - 1u - index]', 'g.flip(0)'),
  planted('1 % of 1 added', 'x', 'lrn', 'g + 0.01', 'g + 0.01'),
  planted('square of dy', 'x', 'multiply', 'g * g', 'g * g'),
  planted('size of dy', 'x', 'divide', 'abs(g)', 'g.abs()'),
  planted('clipped to 1', 'w', 'conv2d', 'clamp(g, -1.0, 1.0)', 'g.clamp(-1, 1)'),
  planted(
    'NaN at one element',
    'w',
    'conv2d',
    'select(g, bitcast<f32>(0x7fc00000u + (count & 0u)), index == count / 2u)',
    'torch.where(i == count // 2, math.nan, g)',
  ),
  planted(
    'the last third left out',
    'x',
    'relu',
    'select(g, 0.0, 3u * index >= 2u * count)',
    'torch.where(3 * i >= 2 * count, 0, g)',
  ),
  planted(
    'rounded to bfloat16',
    'w',
    'multiply',
    'bitcast<f32>(bitcast<u32>(g) & 0xffff0000u)',
    '(g.view(torch.int32) & -65536).view(torch.float32)',
  ),
  planted(
    'first element left out, of 1e-3',
    'b',
    'linear, biases of 1e-3',
    'select(g, 0.0, index == 0u)',
    'torch.where(i == 0, 0, g)',
  ),
  planted('half, behind a ReLU', 'u', 'conv2d, relu, twice', '0.5 * g', '0.5 * g'),
  wrong('square', '2.002 * v * g', '2.002 * v * g'),
  wrong('square', 'v * g', 'v * g'),
  wrong('exp', '(exp(v) - 0.01) * g', '(v.exp() - 0.01) * g'),
  wrong('sin', 'cos(0.99 * v) * g', '(0.99 * v).cos() * g'),
  wrong('tanh', '(1.0 - tanh(v)) * g', '(1 - v.tanh()) * g'),
  wrong('1 / v', '-g / v', '-g / v'),
  wrong('log', 'g / (v + 0.01)', 'g / (v + 0.01)'),
  wrong('sqrt', '0.5 * g * sqrt(v)', '0.5 * g * v.sqrt()'),
  wrong('cube', '3.0 * v * abs(v) * g', '3 * v * v.abs() * g'),
];
