/** Whole algorithms: what the table says is done, what is stale is not; each is checked and timed as a plan has it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { graphOf } from '../../src/bench/steps.ts';
import { problemCases, problemMeasuredBefore, problemName, tuneProblem } from '../../src/bench/tune-algorithms.ts';
import { tunedNames, useText } from '../../src/bench/tuned-names.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { plannedGpu } from '../../src/gpu/planned.ts';
import { type CompileOptions, planGraph } from '../../src/graph/compile.ts';
import { input, Parameter } from '../../src/graph/tensor.ts';
import type { KernelDispatch } from '../../src/kernels/kernel.ts';
import { importOnnx } from '../../src/models/import-onnx.ts';
import { alexnet } from '../../src/models/tables.ts';
import type { OnnxModel } from '../../src/onnx/model.ts';
import { decisionsIn, decisionText } from '../../src/operators/algorithms/algorithm.ts';
import { convolutionDecisions } from '../../src/operators/conv2d/algorithms/index.ts';
import { conv2d } from '../../src/operators/conv2d/graph.ts';
import { decisionTrials } from '../../src/operators/trials.ts';
import { createModel } from '../../src/train/model.ts';
import { GraphBuilder, int, ints } from '../models/zoo-graphs.ts';

const BUDGET = { seconds: 0.001 };

/** Two convolutions of one shape, one after the other, differentiated. */
function step(): CompileOptions {
  const weight = (name: string) => new Parameter(name, [48, 48, 3, 3], new Float32Array(48 * 48 * 9).fill(0.1));
  const pads = [1, 1, 1, 1] as const;
  const x = input('x', [2, 48, 24, 24]);
  const one = conv2d(x, weight('w1'), undefined, { pads, name: 'one' });
  const two = conv2d(one, weight('w2'), undefined, { pads, name: 'two' });
  const upstream = input('upstream', two.shape);
  return { loss: two, upstream, update: true };
}

/** Places of an image weighed by what they have in common: two products of what is computed, and one with a weight. */
function products(): OnnxModel {
  const g = new GraphBuilder();
  const values = g.node('Conv', ['x', g.weight('w', 32, 3, 3, 3)], 'conv');
  const rows = g.node('Reshape', [values, g.integers('rows', 0, 32, 256)], 'rows of places');
  const columns = g.node('Transpose', [rows], 'turned', { perm: ints(0, 2, 1) });
  const scores = g.node('Softmax', [g.node('MatMul', [rows, columns], 'scores')], 'shares', { axis: int(-1) });
  const flat = g.node('Flatten', [g.node('MatMul', [scores, rows], 'weighed')], 'flat');
  g.node('Gemm', [flat, g.weight('fc', 5, 32 * 256)], 'y', { transB: int(1) });
  return g.model(17, { name: 'x', dims: ['N', 3, 18, 18] }, 'y');
}

const plan = (gpu: Gpu) => decisionsIn(gpu, () => void planGraph(gpu, step()));
const chosen = (gpu: Gpu) =>
  plan(gpu).map(({ decision, selected }) => `${decision.purpose}: ${selected.algorithm.name}`);
const FORWARD = convolutionDecisions.forward;

describe('tuning of algorithms', () => {
  let folder: string;
  const opened: Gpu[] = [];
  /** As a new process would open it. */
  const open = async (options = {}) => {
    const gpu = await Gpu.open({ tuning: true, ...options });
    opened.push(gpu);
    return gpu;
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'frostline-tune-'));
    vi.stubEnv('FROSTLINE_CACHE', folder);
  });
  afterEach(() => {
    for (const gpu of opened.splice(0)) {
      gpu.check();
      gpu.destroy();
    }
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });
  const madeUp = (choice: string) => ({ choice, date: '', settled: true, measurements: [] });

  it('lists each problem with several algorithms once, by its layers, and leaves no memory behind', async () => {
    const gpu = await open();
    const before = gpu.memory().live;
    const cases = problemCases(gpu, plan(gpu));
    expect(cases.map(problemName)).toEqual(
      ['conv2d forward one, two', 'conv2d filter gradient two, one', 'conv2d input gradient two'].sort(
        (a, b) => cases.map(problemName).indexOf(a) - cases.map(problemName).indexOf(b),
      ),
    );
    for (const { names } of cases) expect(names).toContain('implicit-gemm');
    // Parameters stay; nothing else does.
    expect(gpu.memory().live - before).toBe(2 * 4 * 48 * 48 * 9);
  });

  it('a plan follows the table: for this problem and text, where results count, and for nothing else', async () => {
    const first = await open();
    const usual = chosen(first);
    const [{ problem, case: text }] = plan(first);
    expect(usual[0]).not.toBe('conv2d forward: implicit-gemm');
    await first.tuning!.recordAlgorithm(FORWARD.purpose, decisionText(FORWARD), text, madeUp('implicit-gemm'));
    const followed = usual.map((one) => (one.includes('forward') ? 'conv2d forward: implicit-gemm' : one));
    expect(chosen(first)).toEqual(followed);
    const gpu = await open();
    expect(chosen(gpu)).toEqual(followed);
    expect(plan(gpu)[0].selected.by).toBe('measurement');
    const [one] = problemCases(gpu, plan(gpu));
    expect(problemMeasuredBefore(gpu, one)?.choice).toBe('implicit-gemm');
    // What the estimate would choose is told all the same.
    expect(`conv2d forward: ${one.estimated}`).toBe(usual[0]);
    // Another problem, an algorithm that is forced, a table that is not to count.
    const other = FORWARD.caseOf({ ...(problem as never as Parameters<typeof FORWARD.caseOf>[0]), hasBias: true });
    expect(
      gpu.tuning!.algorithm(
        FORWARD.purpose,
        () => decisionText(FORWARD),
        () => other,
      ),
    ).toBeUndefined();
    expect(chosen(await open({ algorithms: { 'conv2d forward': usual[0].split(': ')[1] } }))).toEqual(usual);
    expect(chosen(await open({ tuning: false }))).toEqual(usual);
    // Measured with another text of some kernel: stale.
    await gpu.tuning!.recordAlgorithm(FORWARD.purpose, 'another text', text, madeUp('implicit-gemm'));
    expect(chosen(gpu)).toEqual(usual);
    expect(problemMeasuredBefore(gpu, one)).toBeUndefined();
  });

  it('the text is that of all kernels that the algorithms run', () => {
    const text = decisionText(FORWARD);
    expect(text).toBe(decisionText({ ...FORWARD }));
    const changed = FORWARD.algorithms.map((algorithm) => ({
      ...algorithm,
      kernels: algorithm.kernels.map(({ name, textHash }) => ({ name, textHash: () => `${textHash()}!` })),
    }));
    const [plain, ...rest] = changed;
    expect(decisionText({ ...FORWARD, algorithms: [plain, ...rest] })).not.toBe(text);
  });

  it('checks and times every algorithm, and the next process knows', async () => {
    const gpu = await open();
    const cases = problemCases(gpu, plan(gpu));
    for (const one of cases) {
      const { choice, measurements } = await tuneProblem(gpu, one, BUDGET);
      expect(measurements.map(({ algorithm }) => algorithm)).toEqual(one.names);
      for (const { milliseconds, wrong } of measurements) {
        expect(wrong).toBeUndefined();
        expect(milliseconds).toBeGreaterThan(0);
      }
      expect(one.names).toContain(choice);
      expect(problemMeasuredBefore(await open(), one)?.choice).toBe(choice);
    }
    expect(gpu.algorithms.size).toBe(0);
    const others = gpu.memory().live;
    await tuneProblem(gpu, cases[0], BUDGET);
    expect(gpu.memory().live).toBe(others);
  });

  it('never chooses an algorithm that computes wrongly, however it is estimated', async () => {
    const gpu = await open();
    const [one] = problemCases(gpu, plan(gpu));
    const algorithm = FORWARD.algorithms.find(({ name }) => name === one.estimated)!;
    // Nothing is written: the outputs stay zero.
    vi.spyOn(algorithm, 'emit').mockImplementation(() => {});
    const { choice, measurements } = await tuneProblem(gpu, one, BUDGET);
    expect(choice).not.toBe(one.estimated);
    expect(measurements.filter(({ wrong }) => wrong !== undefined).map((measured) => measured.algorithm)).toEqual([
      one.estimated,
    ]);
  });

  it('a table of another machine is taken in with its algorithms, those that there are not are left out by name', async () => {
    const gpu = await open();
    const [{ case: text }] = plan(gpu);
    await gpu.tuning!.recordAlgorithm(FORWARD.purpose, decisionText(FORWARD), text, madeUp('implicit-gemm'));
    const exported = gpu.tuning!.text();
    rmSync(gpu.tuning!.file);
    const other = await open();
    expect(await other.tuning!.merge('table.json', exported, tunedNames)).toEqual({ used: 1, unused: [] });
    expect(chosen(other)[0]).toBe('conv2d forward: implicit-gemm');
    const before = readFileSync(other.tuning!.file, 'utf8');
    const merge = (find: string | RegExp, put: string) => {
      expect(exported).toMatch(find);
      return other.tuning!.merge('table.json', exported.replace(find, put), tunedNames);
    };
    for (const [find, put, told] of [
      [
        /"choice": "implicit-gemm"/,
        '"choice": "fft"',
        /^0 .*not used: 1 that choose what .* not have \(conv2d forward\)$/,
      ],
      [/"conv2d forward"/, '"conv3d forward"', /^0 .*not used: 1 of kernels or operators that .* \(conv3d forward\)$/],
      [
        /"text": "\w+"/,
        '"text": "0123"',
        /^0 .*not used: 1 of kernels whose text is another one here \(conv2d forward\)$/,
      ],
    ] as const) {
      expect(useText(await merge(find, put))).toMatch(told);
    }
    for (const [find, put] of [
      [/"choice": "implicit-gemm"/, '"choice": 7'],
      [/"measurements": \[\]/, '"measured": []'],
    ] as const) {
      await expect(merge(find, put)).rejects.toThrow(
        /its results are damaged: algorithms, 'conv2d forward', 'batch 2 /,
      );
    }
    expect(readFileSync(other.tuning!.file, 'utf8')).toBe(before);
  });

  it("a user's network of products: all are measured, each way that is forced runs, and the choice is followed", async () => {
    const gpu = await open();
    // Parameters live on one device: each gets a model of its own.
    const stepOf = () => graphOf(createModel(importOnnx(products())), 2, 'none').options;
    const options = stepOf();
    const decided = () => decisionsIn(gpu, () => void planGraph(gpu, options));
    const cases = problemCases(gpu, decided());
    const purposes = cases.map(({ decision }) => decision.purpose);
    for (const purpose of ['matMul forward', 'matMul left gradient', 'matMul right gradient', 'linear forward']) {
      expect(purposes).toContain(purpose);
    }
    for (const one of cases.filter(({ decision }) => decision.purpose.startsWith('matMul'))) {
      expect(one.names).toEqual(['gemm', 'gemm-packed']);
      const { choice, measurements } = await tuneProblem(gpu, one, BUDGET);
      expect(measurements.map(({ algorithm, wrong }) => [algorithm, wrong])).toEqual(
        one.names.map((name) => [name, undefined]),
      );
      const other = one.names.find((name) => name !== choice)!;
      await gpu.tuning!.recordAlgorithm(one.decision.purpose, decisionText(one.decision), one.case, madeUp(other));
      expect(problemMeasuredBefore(await open(), one)?.choice).toBe(other);
      const same = decided().filter(({ decision, case: text }) => decision === one.decision && text === one.case);
      expect(same.map(({ selected }) => `${selected.algorithm.name} by ${selected.by}`)).toEqual(
        same.map(() => `${other} by measurement`),
      );
    }
    for (const algorithm of ['gemm', 'gemm-packed']) {
      const forced = await open({ algorithms: { matMul: algorithm } });
      const kernels = (planGraph(forced, stepOf()).dispatches as KernelDispatch[]).map(({ kernel }) => kernel.name);
      // Two products forward, each with two gradients.
      const packed = algorithm === 'gemm-packed' ? 6 * 2 : 0;
      expect(kernels.filter((name) => name === 'gemm/packed')).toHaveLength(packed);
    }
  });

  it.each(['lavapipe', 'h100'])('everything that is decided for AlexNet on %s can be measured', (name) => {
    const gpu = plannedGpu(name);
    const { options } = graphOf(createModel(alexnet()), 10, 'none');
    const decided = decisionsIn(gpu, () => void planGraph(gpu, options));
    const known = decisionTrials.map(({ decision }) => decision.purpose);
    expect(new Set(decided.map(({ decision }) => decision.purpose)).size).toBeGreaterThanOrEqual(3);
    for (const { decision } of decided) expect(known).toContain(decision.purpose);
  });
});
