/**
 * `npm run gpu:tables`: what is known of the kernels for GPUs with no GPU at hand, as tables in Markdown. The plan of both
 * networks on every adapter in the list (predictions of a model), then every variant that an adapter's plan takes: AMD's
 * machine code, and what it does to memory.
 */
import { countAccesses } from '../dist/bench/analysis/accesses.js';
import { machineCode, missingForMachineCode } from '../dist/bench/analysis/machine-code.js';
import { planDispatches, planStep } from '../dist/bench/plan.js';
import { Gpu } from '../dist/gpu/device.js';
import { machines } from '../dist/gpu/machine.js';
import { plannedGpu } from '../dist/gpu/planned.js';
import { planGraph } from '../dist/graph/compile.js';
import { input } from '../dist/graph/tensor.js';
import { choiceText } from '../dist/kernels/kernel.js';
import { modelTime } from '../dist/kernels/time-model.js';
import { alexnet, vgg16 } from '../dist/models/tables.js';
import { matMul } from '../dist/operators/mat-mul/graph.js';

const missing = missingForMachineCode();
if (missing !== undefined) {
  console.error(`not installed: ${missing}`);
  process.exit(2);
}
const networks = [alexnet({ classes: 1000 }), vgg16({ classes: 1000 })];
const percent = (share) => `${(100 * share).toFixed(0)} %`;
const row = (...cells) => console.log(`| ${cells.join(' | ')} |`);

console.log('## Training steps of ten images, predicted\n');
row(
  'adapter',
  'network',
  'dispatches',
  'ms (model)',
  'share of peak',
  'of the time in dispatches that leave some idle',
);
row('---', '---', '---:', '---:', '---:', '---:');
for (const { name } of machines.filter(({ name }) => name !== 'lavapipe')) {
  for (const network of networks) {
    const { dispatches, ms, shareOfPeak, shareStarved } = planStep(plannedGpu(name), network, 10, 'none');
    row(name, network.name, dispatches.length, ms.toPrecision(3), percent(shareOfPeak), percent(shareStarved));
  }
}

console.log('\n## Steps of other batches, predicted: dispatches and ms\n');
row('adapter', 'network', '1 image', '10', '32');
row('---', '---', '---:', '---:', '---:');
for (const { name } of machines.filter(({ name }) => name !== 'lavapipe')) {
  for (const network of networks) {
    const cells = [1, 10, 32].map((batch) => planStep(plannedGpu(name), network, batch, 'none'));
    row(name, network.name, ...cells.map(({ dispatches, ms }) => `${dispatches.length}, ${ms.toPrecision(3)}`));
  }
}

console.log('\n## A product of two 4096 x 4096 matrices, predicted\n');
row('adapter', 'dispatches', 'ms (model)', 'TFLOP/s', 'share of peak');
row('---', '---', '---:', '---:', '---:');
for (const { name } of machines.filter(({ name }) => name !== 'lavapipe')) {
  const gpu = plannedGpu(name);
  const y = matMul(...['a', 'b'].map((operand) => input(operand, [1, 4096, 4096])));
  const { machine } = gpu.machineReport;
  const dispatches = planGraph(gpu, { outputs: [y], training: false }).dispatches;
  const ms = dispatches.reduce((sum, one) => sum + modelTime(one, gpu, machine).milliseconds, 0);
  const flops = 2 * 4096 ** 3;
  const peak = 2 * machine.lanes * machine.multiprocessors * machine.cycles;
  const texts = dispatches.map(({ kernel, choice }) => `${kernel.name} ${choiceText(choice)}`).join('; ');
  row(name, texts, ms.toPrecision(3), (flops / ms / 1e9).toFixed(1), percent(flops / ms / peak));
}

console.log('\n## The same steps in half precision, predicted\n');
row('adapter', 'network', 'dispatches', 'ms (model)', 'of f32', 'MiB moved', 'of f32');
row('---', '---', '---:', '---:', '---:', '---:', '---:');
for (const { name } of machines) {
  for (const network of networks) {
    const [half, full] = ['f16', 'f32'].map((precision) =>
      planStep(plannedGpu(name, { precision }), network, 10, 'none'),
    );
    const { dispatches, ms, bytes } = half;
    row(
      ...[name, network.name, dispatches.length, ms.toPrecision(3), (ms / full.ms).toFixed(2)],
      ...[(bytes / 2 ** 20).toFixed(0), (bytes / full.bytes).toFixed(2)],
    );
  }
}

console.log('\n## Variants that these plans take\n');
row(
  'kernel and variant',
  'VGPRs',
  'spilled',
  'subgroups a SIMD',
  'multiply-adds a load from workgroup memory',
  'sectors over the fewest',
  'turns over the fewest',
);
row('---', '---:', '---:', '---:', '---:', '---:', '---:');
const found = new Map();
for (const adapter of ['h100', 'navi31', 'xe']) {
  for (const network of networks) {
    for (const dispatch of planDispatches(plannedGpu(adapter), network, 10, 'none')) {
      const key = `${dispatch.kernel.name} ${choiceText(dispatch.choice)}`;
      if (!found.has(key)) found.set(key, dispatch);
    }
  }
}
const gpu = await Gpu.open();
for (const [name, dispatch] of [...found].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
  const { registers, spilled, subgroups, multiplyAddsPerLoad } = machineCode(dispatch.source);
  const { sectors, turns, rows } = await countAccesses(gpu, dispatch);
  const perLoad = Number.isFinite(multiplyAddsPerLoad) ? multiplyAddsPerLoad.toFixed(1) : '-';
  const conflicts = rows.some(({ space }) => space === 'workgroup') ? turns.toFixed(2) : '-';
  row(name, registers, spilled, subgroups, perLoad, sectors.toFixed(2), conflicts);
}
gpu.destroy();
