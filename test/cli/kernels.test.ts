import { beforeAll, describe, expect, it } from 'vitest';
import { missingForMachineCode } from '../../src/bench/analysis/machine-code.ts';
import { graphOf } from '../../src/bench/steps.ts';
import { registry } from '../../src/cli/registry.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { compile } from '../../src/graph/compile.ts';
import { contractionUses } from '../../src/kernels/contraction/uses.ts';
import { choiceText, type KernelDispatch } from '../../src/kernels/kernel.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { kernelFamilies } from '../../src/operators/all.ts';
import { allKernels } from '../../src/operators/kernels.ts';
import { createModel } from '../../src/train/model.ts';
import { nullAdapter } from '../support/null-device.ts';
import { run } from './run.ts';

const kernels = (...args: string[]) => run(registry, 'kernels', ...args);

describe('frostline kernels list', () => {
  it('names every kernel, and the operations that the contraction is', async () => {
    const { code, stdout } = await kernels('list');
    expect(code).toBe(0);
    for (const name of allKernels.keys()) expect(stdout).toMatch(new RegExp(`│ ${name} +│ plain`));
    expect(stdout).toMatch(/│ conv2d\/forward +│ is contraction/);
    const rows = JSON.parse((await kernels('list', '--json')).stdout);
    expect(rows.length).toBe(allKernels.size + contractionUses.length);
    expect(rows).toContainEqual({
      name: 'fill/constant',
      kernel: 'fill/constant',
      variants: [
        { name: 'plain', configurations: 1 },
        { name: 'coarsened', configurations: 2 },
      ],
    });
  });
});

describe('frostline kernels show', () => {
  let device: GPUDevice;
  let halfDevice: GPUDevice;
  beforeAll(async () => {
    const adapter = await nullAdapter();
    device = await adapter.requestDevice();
    halfDevice = await (await nullAdapter()).requestDevice({ requiredFeatures: ['shader-f16'] });
  });

  it.each([...allKernels.keys(), ...contractionUses.map(({ name }) => name)])(
    '%s --variant plain is WGSL that compiles',
    async (name) => {
      const { code, stdout } = await kernels('show', name, '--variant', 'plain');
      expect(code).toBe(0);
      const info = await device.createShaderModule({ code: stdout }).getCompilationInfo();
      expect(info.messages.filter(({ type }) => type === 'error').map(({ message }) => message)).toEqual([]);
    },
  );

  it.each([...allKernels.values()].filter(({ bindings }) => Object.values(bindings).some(({ half }) => half)))(
    '$name --precision f16 is WGSL of halves that compiles',
    async ({ name, variants }) => {
      const { halves } = variants[0];
      if (halves === false) return;
      const { code, stdout } = await kernels('show', name, '--variant', 'plain', '--precision', 'f16');
      expect(code).toBe(0);
      expect(stdout).toMatch(/^enable f16;\n[\s\S]*: array<(f16|vec4h)>;/);
      const info = await halfDevice.createShaderModule({ code: stdout }).getCompilationInfo();
      expect(info.messages.filter(({ type }) => type === 'error').map(({ message }) => message)).toEqual([]);
    },
  );

  it('shows on halves what a step in half precision runs', async () => {
    const half = ['--as', 'h100', '--precision', 'f16'];
    const { dispatches } = JSON.parse((await kernels('plan', '--network', 'alexnet', ...half, '--json')).stdout);
    for (const wanted of ['contraction', 'lrn/forward', 'linear/forward', 'linear/update-scaled']) {
      const { kernel, variant, shape } = dispatches.find((one: { kernel: string }) => one.kernel === wanted)!;
      const { stdout } = await kernels('show', kernel, ...half, '--shape', shape);
      expect(stdout).toContain('enable f16;');
      const head = /^\/\/ .*variant (.*)$/m.exec(stdout)![1].replaceAll(/[:,]/g, '');
      expect([kernel, head]).toEqual([kernel, variant]);
    }
  });

  it('prints every variant', async () => {
    const { stdout } = await kernels('show', 'contraction');
    for (const variant of ['plain', 'registers', 'broadcast', 'tiled']) {
      expect(stdout).toContain(`// contraction, variant ${variant}`);
    }
  });

  it('says which strides make the contraction a convolution or a product', async () => {
    const { stdout } = await kernels('show', 'conv2d/forward');
    expect(stdout).toMatch(/^\/\/ conv2d\/forward is the kernel 'contraction'/);
    // 128 filters a group; 10 x 27 x 27 outputs; 5 x 5 taps over 48 channels.
    expect(stdout).toMatch(/groups 2, rows 128, columns 7290, plane 729, width 27, u 5, v 5, inner 48/);
    expect(stdout).toContain('variant broadcast: lanes 4, rows 32, columns 8, bounds 1');
    expect((await kernels('show', 'gemm/input-gradient')).stdout).toMatch(/rows 10, columns 4096/);
  });

  it('prints the configuration that was asked for, and what an adapter runs for a shape', async () => {
    const tiles = await kernels('show', 'contraction', '--configuration', 'rows 128, columns 64, bounds 1');
    expect(tiles.stdout).toMatch(/^\/\/ contraction, variant tiled: rows 128, columns 64, depth 16, bounds 1, /);
    const { dispatches } = JSON.parse(
      (await kernels('plan', '--network', 'alexnet-small', '--as', 'h100', '--json')).stdout,
    );
    for (const { kernel, variant, shape } of dispatches.slice(0, 4)) {
      const shown = await kernels('show', kernel, '--as', 'h100', '--shape', shape);
      const head = /^\/\/ .*variant (.*)$/m.exec(shown.stdout)![1].replaceAll(/[:,]/g, '');
      expect([kernel, head]).toEqual([kernel, variant]);
    }
  });

  describe('--shape of a kernel with parameters that are no integers', () => {
    const lrn = 'batch 10 channels 96 plane 3025 size 5';
    const shown = async (name: string, shape: string) =>
      (await kernels('show', name, '--as', 'h100', '--shape', shape)).stdout;

    it("takes a network's, by roots, and says so", async () => {
      const text = await shown('lrn/forward', lrn);
      expect(text).toMatch(/^\/\/ chosen for alpha 0\.0001 \(as in alexnet\), beta 0\.75 \(as in alexnet\), bias 1 /);
      expect(text).toMatch(/^\/\/ lrn\/forward, variant segments: size 5, roots 1$/m);
      expect(text).not.toContain('pow(');
    });

    it.each([
      ['beta=0.75', 1],
      ['alpha 1 beta 0.75 bias 2', 1],
      ['beta: 1', 0],
      ['beta 0.6', 0],
    ])('%s: roots %d', async (floats, roots) => {
      const text = await shown('lrn/forward', `${lrn} ${floats}`);
      expect(text).toContain(`roots ${roots}\n`);
      expect(text).toContain(`beta ${/beta\W+([\d.]+)/.exec(floats)![1]} (given)`);
    });

    it("takes those of the kernel's first case where no network runs it", async () => {
      const text = await shown('clip/forward', 'count 7');
      expect(text).toMatch(/^\/\/ chosen for low 0 \(as in the case n=1 \[0, 6\]\), high 6 /);
      expect(await shown('clip/forward', 'count 7 low -Infinity high 1e-3')).toMatch(
        /low -Infinity \(given\), high 0\.001/,
      );
    });

    it('every kernel has a case to take them from', () => {
      const named = new Set(kernelFamilies.flatMap(({ names }) => names));
      const floats = [...allKernels.values()].filter(({ params }) => Object.values(params).includes('f32'));
      expect(floats.length).toBeGreaterThan(10);
      expect(floats.map(({ name }) => name).filter((name) => !named.has(name))).toEqual([]);
    });
  });

  it.each([
    [['show', 'relu/forward', '--shape', 'cont 3'], /--shape: relu\/forward has no cont\. Give: count N\./],
    [['show', 'relu/forward', '--shape', 'count x'], /--shape: 'x' behind count is no number/],
    [['show', 'relu/forward', '--shape', 'count 1.5'], /--shape: '1\.5' behind count is no whole number from 0 to/],
    [['show', 'relu/forward', '--shape', 'count 3 count=4'], /--shape: count stands twice/],
    [['show', 'relu/forward', '--shape', 'count'], /--shape: '' behind count is no number\. Give pairs: count 1/],
    [['show', 'lrn/forward', '--shape', 'beta 1'], /needs batch, .* too\. Give: batch N .* size N, and alpha X beta X/],
    [['show', 'lrn/forward', '--shape', 'beta NaN'], /'NaN' behind beta is no number/],
    [
      ['show', 'correct-count/count', '--precision', 'f16'],
      /correct-count\/count has no text for halves\. Leave it out/,
    ],
    [['show', 'contraction', '--variant', 'matrix'], /contraction matrix runs on halves alone\. Give --precision f16/],
    [['show', 'relu/forward', '--as', 'h100'], /--as and --adapter choose for a --shape/],
    [['show', 'relu/forward', '--shape', 'count 3', '--variant', 'plain'], /Leave out --variant and --configuration/],
    [['show', 'contraction', '--configuration', 'rows 5'], /contraction has none with 'rows 5'\. There are:\nplain/],
    [['show', 'relu/forwards'], /there is no kernel 'relu\/forwards'; the nearest is 'relu\/forward'/],
    [['show', 'foo'], /there is no kernel 'foo'; known are 'binary\/add', .*see 'frostline kernels list'/],
    [['show', 'relu/forward', '--as', 'foo', '--shape', 'count 3'], /--as: .*h100.*rtx-4090.*lavapipe/],
    [['show', 'relu/forward', '--variant', 'plane'], /relu\/forward has no variant 'plane'; the nearest is 'plain'/],
    [['show'], /missing required argument 'name'/],
    [['shwo'], /unknown command 'kernels shwo'; the nearest is 'kernels show'/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await kernels(...args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});

describe('frostline kernels plan', () => {
  interface Planned {
    adapter: string;
    ms: number;
    dispatches: {
      kernel: string;
      variant: string;
      shape: string;
      workgroups: number;
      ms: number;
      idle: number;
      held: number;
      workgroupMemory: number;
    }[];
  }
  const plan = async (...args: string[]): Promise<Planned> => {
    const { code, stdout, stderr } = await kernels('plan', ...args, '--json');
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  };

  it('plans for lavapipe what is compiled on it', async () => {
    const gpu = await Gpu.open({ tuning: false }).catch(() => undefined);
    // Another adapter's plan is another.
    if (gpu === undefined || !/llvmpipe/.test(gpu.name) || gpu.subgroupWidth !== 8) return gpu?.destroy();
    const { options } = graphOf(createModel(alexnetSmall()), 3, 'none');
    const graph = await compile(gpu, options);
    const compiled = graph.dispatches.map((one) => {
      const { kernel, params, choice, workgroups } = one as KernelDispatch;
      return { kernel: kernel.name, variant: choiceText(choice), shape: kernel.shape(params), workgroups };
    });
    graph.destroy();
    gpu.destroy();
    const { dispatches } = await plan('--network', 'alexnet-small', '--batch', '3', '--as', 'lavapipe');
    expect(
      dispatches.map(({ kernel, variant, shape, workgroups }) => ({ kernel, variant, shape, workgroups })),
    ).toEqual(compiled);
  });

  it('chooses by what the named GPU is', async () => {
    const [h100, m2] = await Promise.all(['h100', 'apple-m2'].map((name) => plan('--as', name)));
    expect(h100.adapter).toContain('h100');
    expect(h100.dispatches).not.toEqual(m2.dispatches);
    expect(m2.ms).toBeGreaterThan(5 * h100.ms);
    for (const { dispatches, ms } of [h100, m2]) {
      expect(dispatches.some(({ variant }) => /^(tiled|vectors) /.test(variant))).toBe(true);
      expect(dispatches.reduce((sum, one) => sum + one.ms, 0)).toBeCloseTo(ms, 6);
    }
    // 132 multiprocessors: a dispatch of 4 workgroups leaves 128 of them idle.
    for (const { workgroups, idle } of h100.dispatches) expect(idle).toBe(Math.max(0, 132 - workgroups));
    // Of the larger tiles' 16.5 KiB, 13 are in 228.
    const tiles = h100.dispatches.filter(({ workgroupMemory }) => workgroupMemory === 16896);
    for (const { held } of tiles) expect(held).toBeLessThanOrEqual(13);
  });

  it('plans by the algorithm that is forced', async () => {
    const forced = ['--as', 'h100', '--algorithm', 'conv2d=implicit-gemm'];
    const [alexnet, vgg16] = await Promise.all(['alexnet', 'vgg16'].map((name) => plan('--network', name, ...forced)));
    for (const { dispatches } of [alexnet, vgg16]) {
      expect(dispatches.filter(({ kernel }) => kernel.includes('winograd'))).toEqual([]);
    }
    // Each direction of a convolution is one dispatch then.
    expect(alexnet.dispatches.length).toBeLessThanOrEqual(45);
    expect(vgg16.dispatches.length).toBeLessThanOrEqual(90);
    const astray = await kernels('plan', ...forced.slice(0, 3), 'conv3d=winograd');
    expect([astray.code, astray.stderr]).toEqual([
      2,
      expect.stringMatching(/--algorithm: no algorithm is chosen for 'conv3d'. Give one of conv2d, linear, matMul/),
    ]);
    const unknown = await kernels('plan', ...forced.slice(0, 3), 'conv2d=fft');
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toMatch(/fft.*implicit-gemm/s);
  });

  it('leaves out what is frozen', async () => {
    const [all, last] = await Promise.all(['none', 'fc7'].map((step) => plan('--as', 'h100', '--step', step)));
    expect(last.dispatches.length).toBeLessThan(all.dispatches.length / 2);
    expect(last.dispatches.some(({ kernel }) => kernel === 'lrn/backward')).toBe(false);
  });

  it('refuses an adapter and a step that it does not know', async () => {
    const adapter = await kernels('plan', '--as', 'h1000');
    expect([adapter.code, adapter.stderr]).toEqual([2, expect.stringMatching(/--as.*h100.*rtx-4090/s)]);
    const step = await kernels('plan', '--as', 'h100', '--step', 'conv9');
    expect([step.code, step.stderr]).toEqual([2, expect.stringMatching(/no step 'conv9'.*forward, none, conv1/s)]);
    const network = await kernels('plan', '--network', 'foo');
    expect([network.code, network.stderr]).toEqual([2, expect.stringMatching(/alexnet-small.*alexnet.*vgg16/)]);
    const both = await kernels('plan', '--as', 'h100', '--adapter', 'auto');
    expect(both.code).toBe(2);
  });
});

describe('frostline kernels analyze', () => {
  it('prints sectors, turns, the cost and, where the tools are, machine code', async () => {
    const { code, stdout } = await kernels('analyze', 'softmax-loss/gradient', '--as', 'h100');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^softmax-loss\/gradient teams lanes 32\n/);
    expect(stdout).toMatch(/workgroups; .* GFLOP, .* MiB at least; .* ms by the model, bound by /);
    expect(stdout).toMatch(/│ logits +│ global +│ load +│ +4 │/);
    const missing = missingForMachineCode();
    if (missing === undefined) expect(stdout).toMatch(/navi31: \d+ VGPRs, 0 spilled, 0 bytes of scratch/);
    else expect(stdout).not.toContain('VGPRs');
  });

  it('prints data: the dispatches whose shape was asked for', async () => {
    const all = JSON.parse((await kernels('analyze', 'dropout/forward', '--json')).stdout);
    expect(all.length).toBeGreaterThan(0);
    const [{ kernel, variant, workgroups, accesses, shape }] = all;
    expect({ kernel, variant }).toEqual({ kernel: 'dropout/forward', variant: 'plain' });
    expect(accesses.workgroups).toBe(workgroups);
    expect(accesses.rows.find((row: { array: string }) => row.array === 'y')).toMatchObject({
      kind: 'store',
      sectors: { touched: 4, fewest: 4 },
    });
    const some = JSON.parse((await kernels('analyze', 'dropout/forward', '--shape', shape, '--json')).stdout);
    expect(some.length).toBe(1);
    expect(all[0].params).toMatchObject({ scale: 2 });
  });

  it('tells runs apart by whole parameters, and prints those that are no integers', async () => {
    const one = await kernels('analyze', 'lrn/forward', '--shape', 'channels=256 beta 0.75 alpha 1e-4');
    expect(one.stdout.match(/^lrn\/forward /gm)).toHaveLength(1);
    expect(one.stdout).toMatch(/^ {2}batch 10 channels 256 plane 729 size 5 alpha 0\.0001 beta 0\.75 bias 1$/m);
    // 'channels 25' begins 'channels 256', which it is not.
    expect((await kernels('analyze', 'lrn/forward', '--shape', 'channels 25')).code).toBe(2);
  });

  it.each([
    [['dropout/forwards'], /on h100 has no kernel 'dropout\/forwards'; the nearest is 'dropout\/forward'/],
    [['dropout/forward', '--shape', 'rows 7'], /--shape: dropout\/forward has no rows\. Give: count N/],
    [
      ['dropout/forward', '--shape', 'count 7'],
      /no run of dropout\/forward has 'count 7'\. They are:\ncount \d+ .*scale 2/,
    ],
    [
      ['lrn/forward', '--shape', 'beta=1'],
      /no run of lrn\/forward has 'beta=1'\. They are:\nbatch .*beta 0\.75 bias 1/,
    ],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await kernels('analyze', ...args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});
