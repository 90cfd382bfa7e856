/** Whole algorithms: what the table says is done, what is stale is not; each is checked and timed as a plan has it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { graphOf } from '../../src/bench/steps.ts';
import {
  problemCases,
  problemMeasuredBefore,
  problemName,
  tuneProblem,
  wrongChoice,
} from '../../src/bench/tune-algorithms.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { plannedGpu } from '../../src/gpu/planned.ts';
import { decisionsIn, decisionText } from '../../src/graph/algorithm.ts';
import { type CompileOptions, planGraph } from '../../src/graph/compile.ts';
import { input, Parameter } from '../../src/graph/tensor.ts';
import { alexnet } from '../../src/models/tables.ts';
import { convolutionDecisions } from '../../src/operators/conv2d/algorithms/index.ts';
import { conv2d } from '../../src/operators/conv2d/graph.ts';
import { decisionTrials } from '../../src/operators/trials.ts';
import { createModel } from '../../src/train/model.ts';

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

  it('a table of another machine is taken in with its algorithms, and refused by name where it has none such', async () => {
    const gpu = await open();
    const [{ case: text }] = plan(gpu);
    await gpu.tuning!.recordAlgorithm(FORWARD.purpose, decisionText(FORWARD), text, madeUp('implicit-gemm'));
    const exported = gpu.tuning!.text();
    rmSync(gpu.tuning!.file);
    const other = await open();
    expect(await other.tuning!.merge('table.json', exported, wrongChoice)).toBe(1);
    expect(chosen(other)[0]).toBe('conv2d forward: implicit-gemm');
    const before = readFileSync(other.tuning!.file, 'utf8');
    for (const [find, put, message] of [
      [
        '"choice": "implicit-gemm"',
        '"choice": "fft"',
        /'conv2d forward', 'batch 2 .*': there is no algorithm 'fft', only implicit-gemm,/,
      ],
      ['"conv2d forward"', '"conv3d forward"', /'conv3d forward', .*: nothing is chosen under this name/],
      ['"choice": "implicit-gemm"', '"choice": 7', /its results are damaged: algorithms, 'conv2d forward', 'batch 2 /],
      ['"measurements": []', '"measured": []', /its results are damaged: algorithms, 'conv2d forward', 'batch 2 /],
    ] as const) {
      expect(exported).toContain(find);
      await expect(other.tuning!.merge('table.json', exported.replace(find, put), wrongChoice)).rejects.toThrow(
        message,
      );
    }
    expect(readFileSync(other.tuning!.file, 'utf8')).toBe(before);
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
