/**
 * A product of two square matrices by each algorithm, stamped by the device's own clock, and some of its sums against
 * float64. `node bench/product.mjs [SIZE]` after `npm run build`; SIZE 4096. FROSTLINE_ADAPTER chooses. Prints JSON.
 */
import { compile, Gpu, input, matMul, Random } from '../dist/index.js';

const size = Number(process.argv[2] ?? 4096);
const RUNS = 9;
const random = new Random(1);
const [left, right] = [0, 1].map(() => Float32Array.from({ length: size * size }, () => random.normal()));

/** The largest error of some sums, in parts of the sum of their terms' absolute values. */
function errorOf(values) {
  let largest = 0;
  for (let i = 0; i < 64; i++) {
    const [row, column] = [random.integer(size), random.integer(size)];
    let [sum, magnitude] = [0, 0];
    for (let k = 0; k < size; k++) {
      const term = left[row * size + k] * right[k * size + column];
      sum += term;
      magnitude += Math.abs(term);
    }
    largest = Math.max(largest, Math.abs(values[row * size + column] - sum) / magnitude);
  }
  return largest;
}

const rows = [];
let adapter;
for (const algorithm of [undefined, 'gemm', 'gemm-in-parts', 'gemm-packed']) {
  const gpu = await Gpu.open({
    ...(algorithm && { algorithms: { matMul: algorithm } }),
    warn: (text) => console.error(text),
  });
  adapter = gpu.name;
  const [a, b] = ['a', 'b'].map((name) => input(name, [1, size, size]));
  const y = matMul(a, b);
  const graph = await compile(gpu, { outputs: [y] });
  graph.write(a, left);
  graph.write(b, right);
  await graph.run();
  const error = errorOf(await graph.read(y));
  const times = [];
  for (let i = 0; i < RUNS; i++) {
    times.push((await graph.trace()).reduce((sum, [begin, end]) => sum + end - begin, 0));
  }
  const ms = times.sort((x, z) => x - z)[RUNS >> 1];
  rows.push({
    algorithm: algorithm ?? 'chosen',
    ms,
    gflops: (2 * size ** 3) / ms / 1e6,
    error,
    dispatches: graph.dispatches.map(({ label }) => label),
  });
  graph.destroy();
  gpu.destroy();
}
console.log(JSON.stringify({ adapter, size, rows }, undefined, 2));
