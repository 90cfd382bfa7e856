/** Functions that are hard for differences in single precision, each right, and with a derivative that is nearly right. */
import { describe, expect, it } from 'vitest';
import * as frostline from '../../src/index.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();

/** y = value of v, dx = derivative of v, y (as w) and dy (as g); without `pieces`, as others write them. */
function elementwise(value: string, derivative: string) {
  // Not folded away: the sum is rounded.
  const keep = 'fn keep(v: f32) -> f32 { return bitcast<f32>(bitcast<u32>(v) + 0u); }';
  const read = 'let v = x[p.x_base + index];';
  const forward = frostline.defineKernel({
    name: 'own/forward',
    params: { count: 'u32' },
    bindings: { x: { access: 'read' }, y: { access: 'write' } },
    variants: [frostline.perElement(({ count }) => count, 'p.count', `${read} y[p.y_base + index] = ${value};`, keep)],
    cost: ({ count }) => ({ flops: count, bytes: 8 * count }),
  });
  const backward = frostline.defineKernel({
    name: 'own/backward',
    params: { count: 'u32' },
    bindings: { x: { access: 'read' }, y: { access: 'read' }, dy: { access: 'read' }, dx: { access: 'write' } },
    variants: [
      frostline.perElement(
        ({ count }) => count,
        'p.count',
        `${read} let w = y[p.y_base + index]; let g = dy[p.dy_base + index]; dx[p.dx_base + index] = ${derivative};`,
      ),
    ],
    cost: ({ count }) => ({ flops: count, bytes: 8 * count }),
  });
  return (x: frostline.Tensor) =>
    frostline.apply(
      {
        name: 'own',
        forward(emit) {
          emit.run(forward, { count: x.size }, { x: emit.value(x).view(), y: emit.value(emit.output).view() });
        },
        backward(emit) {
          const [y, dy] = [emit.value(emit.output).view(), emit.outputGradient.view()];
          emit.run(backward, { count: x.size }, { x: emit.value(x).view(), y, dy, dx: emit.gradient(0)!.view() });
        },
      },
      [x],
      x.shape,
    );
}

type Draw = (value: number, random: frostline.Random, index: number) => number;
const signed: Draw = (value) => value;
const decades =
  (from: number, to: number): Draw =>
  (value, random) =>
    Math.sign(value) * 10 ** random.between(from, to);
const positive =
  (from: number, to: number): Draw =>
  (_, random) =>
    10 ** random.between(from, to);

/** Name, function, its derivative, one that is wrong, and how inputs are drawn. */
const FUNCTIONS: readonly [string, string, string, string, Draw][] = [
  ['a kink that nobody states', 'clamp(v, -0.5, 0.5)', 'select(0.0, g, abs(v) < 0.5)', 'g', signed],
  ['flat on one side', 'max(0.0, 1.0 - v)', 'select(0.0, -g, v < 1.0)', 'select(0.0, -g, v < 0.5)', signed],
  ['a jump', 'v - floor(v)', 'g', '0.9 * g', signed],
  ['many swings within a step', 'sin(v)', 'cos(v) * g', '1.01 * cos(v) * g', (value) => 1000 + value],
  ['swings over a wide range', 'sin(v)', 'cos(v) * g', 'cos(v) * abs(g)', (value) => 100 * value],
  ['swings around 0', 'sin(1000.0 * v)', '1000.0 * cos(1000.0 * v) * g', '990.0 * g', () => 0],
  ['an extremum', 'v * v', '2.0 * v * g', '(2.0 * v + 0.01) * g', () => 0],
  ['a level extremum', 'v * v * v * v', '4.0 * v * v * v * g', '0.01 * g', () => 0],
  ['far from 0', '(v - 1e6) * (v - 1e6)', '2.0 * (v - 1e6) * g', '2.02 * (v - 1e6) * g', (value) => 1e6 + 8 * value],
  ['a pole nearby', '1.0 / v', '-g / (v * v)', '-1.01 * g / (v * v)', decades(-4, 0)],
  ['a vertical tangent', 'sqrt(v)', '0.5 * g / sqrt(v)', '0.505 * g / sqrt(v)', positive(-6, 0)],
  ['inputs over decades', 'v * log(v)', 'g * (1.0 + log(v))', 'g * log(v)', positive(-5, 1)],
  ['outputs over decades', 'v * v', '2.0 * v * g', '2.02 * v * g', decades(-8, 8)],
  ['one element far above', 'sin(v)', 'cos(v) * g', '0.99 * cos(v) * g', (value, _, i) => (i === 3 ? 1000 : value)],
  ['growth by eight decades', 'exp(v)', 'exp(v) * g', '1.001 * exp(v) * g', (value) => 4 * value],
  ['a sum that cancels', 'keep(v * v + 3e4) - 3e4', '2.0 * v * g', '1.8 * v * g', signed],
];

describe.each(FUNCTIONS)('%s', (_, value, derivative, wrong, draw) => {
  it.each([testSeed, testSeed + 1])('passes where it is right, fails where it is not (seed %i)', async (seed) => {
    const random = new frostline.Random(seed, 5);
    const values = Float32Array.from({ length: 35 }, (__, i) => draw(random.normal(), random, i));
    const options = { seed, elements: 8, blocks: 3, raiseException: false };
    const check = (claimed: string) => {
      const own = elementwise(value, claimed);
      return frostline.gradcheck(gpu(), (t) => own(t.x), { x: { shape: [5, 7], values } }, options);
    };
    expect((await check(derivative)).problems).toEqual([]);
    expect((await check(wrong)).passed).toBe(false);
  });
});

it('a derivative of 0 fails where rounding is coarser than what it hides', async () => {
  for (const c of ['3e5', '1e7']) {
    const flat = elementwise(`keep(v * v + ${c}) - ${c}`, '0.0 * g');
    const random = new frostline.Random(testSeed, 6);
    const values = Float32Array.from({ length: 12 }, () => random.normal());
    const report = await frostline.gradcheck(gpu(), (t) => flat(t.x), { x: { shape: [12], values } }, quiet);
    expect(report.passed, c).toBe(false);
  }
});

it('backward is linear in dy to the bit: a constant of 1e-6 is seen', async () => {
  const added = elementwise('v', 'g + 1e-6');
  const x = { shape: [4, 3], values: Float32Array.from({ length: 12 }, (_, i) => i - 5.5) };
  const report = await frostline.gradcheck(gpu(), (t) => added(t.x), { x }, quiet);
  expect(report.problems.join()).toContain('backward is not linear in dy');
});

it("the vector that derivatives are taken along is no stream of the caller's", async () => {
  // Where v is x itself, what normalises has next to no derivative.
  for (const stream of [0, 1, 2, 3]) {
    const random = new frostline.Random(testSeed, stream);
    const normal = (shape: readonly number[]) => ({
      shape,
      values: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal()),
    });
    const inputs = { x: normal([8, 3, 4, 4]), scale: normal([3]), shift: normal([3]) };
    const options = { ...quiet, seed: testSeed, elements: 4, blocks: 2 };
    const report = await frostline.gradcheck(
      gpu(),
      (t) => frostline.normalizeBatch(t.x, t.scale, t.shift),
      inputs,
      options,
    );
    expect(report.problems, `stream ${stream}`).toEqual([]);
  }
});

const quiet = { raiseException: false };
