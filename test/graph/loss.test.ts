/** Softmax and cross-entropy as the end of a graph: one kernel for the loss and its gradient. */
import { describe, expect, it } from 'vitest';
import { crossEntropies, softmax } from '../../src/check/reference/softmax.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import { type CompileOptions, compile } from '../../src/graph/compile.ts';
import { softmaxCrossEntropy } from '../../src/graph/ops/classification.ts';
import { input, type Tensor } from '../../src/graph/tensor.ts';
import { affine } from '../../src/operators/affine/graph.ts';
import { add } from '../../src/operators/arithmetic/graph.ts';
import { Random } from '../../src/random.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();
/** one binding holds 512 bytes, less what alignment may add: windows of rows */
const narrow = useGpu({ limits: { maxBinding: 768 } });
const tight = { absolute: 1e-6, relative: 1e-5 };

const COLUMNS = 3;
const classWeights = [0.5, 2, 1.25];

function drawn(rows: number) {
  const random = new Random(testSeed);
  const values = Float32Array.from({ length: rows * COLUMNS }, () => 3 * random.normal());
  const labels = Uint32Array.from({ length: rows }, () => random.integer(COLUMNS));
  const weights = Array.from(labels, (label) => classWeights[label]);
  const sum = weights.reduce((a, b) => a + b);
  const loss = crossEntropies(values, labels, COLUMNS).reduce((a, l, n) => a + (weights[n] * l) / sum, 0);
  const gradient = softmax(values, COLUMNS).map((p, at) => {
    const n = Math.floor(at / COLUMNS);
    return (weights[n] / sum) * (p - (at % COLUMNS === labels[n] ? 1 : 0));
  });
  return { values, labels, loss, gradient };
}

async function ran(
  device: Gpu,
  rows: number,
  graphOf: (loss: Tensor, logits: Tensor) => { options: CompileOptions; wanted: readonly Tensor[] },
) {
  const { values, labels, ...expected } = drawn(rows);
  const logits = input('logits', [rows, COLUMNS]);
  const labelTensor = input('labels', [rows], 'u32');
  const loss = softmaxCrossEntropy(logits, labelTensor, classWeights);
  const { options, wanted } = graphOf(loss, logits);
  const graph = await compile(device, { ...options, outputs: [loss] });
  try {
    graph.write(logits, values);
    graph.write(labelTensor, labels);
    // Twice: nothing of a run must reach into the next.
    await graph.run([loss]);
    const [value] = await graph.run([loss]);
    const gradients = await Promise.all(wanted.map((tensor) => graph.readGradient(tensor)));
    const kernels = graph.dispatches.map(({ label }) => label.split(' ')[0]);
    return { value: new Float32Array(value)[0], gradients, kernels, expected };
  } finally {
    graph.destroy();
  }
}

describe.each([1, 10, 64, 65, 200])('the loss of %i rows', (rows) => {
  const [first, second] = rows > 64 ? [['softmax-loss/weights'], ['bias/gradient']] : [[], []];

  it('comes without a gradient where nobody needs one', async () => {
    const { value, kernels, expected } = await ran(gpu(), rows, () => ({ options: {}, wanted: [] }));
    expectClose([value], [expected.loss], tight);
    expect(kernels).toEqual([...first, 'softmax-loss/loss', ...second]);
  });

  it('comes with its gradient, from one kernel', async () => {
    const { value, gradients, kernels, expected } = await ran(gpu(), rows, (loss, logits) => ({
      options: { loss, gradients: [logits] },
      wanted: [logits],
    }));
    expectClose([value], [expected.loss], tight);
    expectClose(gradients[0], expected.gradient, tight);
    // What is asked for is copied out.
    const copies = ['fill/constant', 'add/accumulate'];
    expect(kernels).toEqual([...first, 'softmax-loss/gradient', ...second, ...copies]);
  });

  it('is scaled where it is not the end', async () => {
    const { gradients, expected } = await ran(gpu(), rows, (loss, logits) => ({
      options: { loss: affine(loss, [-2.5], [1]), gradients: [logits] },
      wanted: [logits],
    }));
    expectClose(
      gradients[0],
      expected.gradient.map((value) => -2.5 * value),
      tight,
    );
  });

  it('adds to what else the logits are read for', async () => {
    const { gradients, expected } = await ran(gpu(), rows, (loss, logits) => ({
      options: { loss: add(loss, softmaxCrossEntropy(logits, loss.source!.inputs[1])), gradients: [logits] },
      wanted: [logits],
    }));
    const { values, labels } = drawn(rows);
    const plain = softmax(values, COLUMNS).map(
      (p, at) => (p - (at % COLUMNS === labels[Math.floor(at / COLUMNS)] ? 1 : 0)) / rows,
    );
    expectClose(
      gradients[0],
      expected.gradient.map((value, i) => value + plain[i]),
      tight,
    );
  });
});

it('works on windows of rows where a binding is small', async () => {
  const { value, gradients, kernels, expected } = await ran(narrow(), 100, (loss, logits) => ({
    options: { loss, gradients: [logits] },
    wanted: [logits],
  }));
  expectClose([value], [expected.loss], tight);
  expectClose(gradients[0], expected.gradient, tight);
  expect(kernels.filter((kernel) => kernel === 'softmax-loss/gradient').length).toBeGreaterThan(1);
});
