/**
 * One convolution by each of its algorithms, stamped by the device's own clock. `node time-kernel.js`; on a software
 * adapter the numbers rank, on a GPU they are what a step pays.
 */
import { compile, conv2d, FrostlineError, Gpu, input, Parameter, Random } from 'frostline';

const [BATCH, CHANNELS, SIZE, FILTERS] = [4, 32, 28, 32];
const random = new Random(5);
const normal = (length: number) => Float32Array.from({ length }, () => random.normal());

for (const algorithm of [undefined, 'implicit-gemm', 'direct', 'winograd']) {
  const said: string[] = [];
  const gpu = await Gpu.open({
    warn: (text) => said.push(text),
    ...(algorithm !== undefined && { algorithms: { conv2d: algorithm } }),
  });
  const x = input('x', [BATCH, CHANNELS, SIZE, SIZE]);
  const weight = new Parameter('weight', [FILTERS, CHANNELS, 3, 3], normal(FILTERS * CHANNELS * 9));
  const y = conv2d(x, weight, undefined, { pads: [1, 1, 1, 1] });
  // Packed weights are made in each run, so that their time is in the sum.
  const graph = await compile(gpu, { outputs: [y], keepPacked: false });
  graph.write(x, normal(x.size));
  await graph.run();
  const totals: number[] = [];
  try {
    for (let i = 0; i < 9; i++) {
      const spans = await graph.trace();
      totals.push(spans.reduce((sum, [begin, end]) => sum + end - begin, 0));
    }
  } catch (error) {
    // An adapter without timestamps cannot be asked.
    if (!(error instanceof FrostlineError)) throw error;
    console.log(error.message);
  }
  const milliseconds = totals.sort((a, b) => a - b)[4];
  const gflops = milliseconds === undefined ? Number.NaN : graph.cost.flops / milliseconds / 1e6;
  console.log(
    `${(algorithm ?? 'chosen by estimate').padEnd(20)} ${milliseconds?.toFixed(3)} ms, ${gflops.toFixed(1)} GFLOP/s, ` +
      `dispatches: ${graph.dispatches.map(({ label }) => label).join('; ')}${said.length > 0 ? ` (${said.join(' ')})` : ''}`,
  );
  graph.destroy();
  gpu.destroy();
}
