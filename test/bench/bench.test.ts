/** The benchmark's arithmetic, comparison and verification. Nothing here passes or fails by the clock. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compareRows, compareTwice, readMeasured } from '../../src/bench/compare.ts';
import { inStepText } from '../../src/bench/in-step.ts';
import { slowerThanPlain } from '../../src/bench/kernels.ts';
import { caseName, layerCases } from '../../src/bench/layer-cases.ts';
import { networkFlops } from '../../src/bench/network-flops.ts';
import { measureProductShare } from '../../src/bench/product-share.ts';
import { floorOf } from '../../src/bench/roofline.ts';
import { sample } from '../../src/bench/sample.ts';
import { median, timingOf } from '../../src/bench/statistics.ts';
import { stepJobs, stepName } from '../../src/bench/steps.ts';
import { CaseBuffers, verify } from '../../src/bench/verify.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import { plannedGpu } from '../../src/gpu/planned.ts';
import { contraction } from '../../src/kernels/contraction/contraction.ts';
import type { Kernel } from '../../src/kernels/kernel.ts';
import { rooflineCopy } from '../../src/kernels/roofline/copy.ts';
import { operationsARound, rooflineMultiplyAdd } from '../../src/kernels/roofline/multiply-add.ts';
import { Bench } from '../../src/kernels/run.ts';
import { alexnet, alexnetSmall, vgg16 } from '../../src/models/tables.ts';
import { createModel, setMasks } from '../../src/train/model.ts';
import { useGpu } from '../support/gpu.ts';

describe('statistics', () => {
  it('median and spread are hardly moved by one slow sample', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    // distances to 10: 1, 0, 1, 2, 90; their median is 1
    expect(timingOf([9, 10, 11, 12, 100])).toEqual({ median: 11, spread: 1.4826, samples: 5 });
  });

  it('the sampler counts what the work says of itself, and passes its failure on', async () => {
    let runs = 0;
    const times = await sample(async () => ++runs, { samples: 4, seconds: 0.001 });
    expect(times.length).toBeGreaterThanOrEqual(4);
    expect(times.slice(0, 3)).toEqual([1, 2, 3]);
    const failing = sample(() => Promise.reject(new Error('lost')), { samples: 2, seconds: 0.001 });
    await expect(failing).rejects.toThrow('lost');
    const host = await sample(async () => undefined, { samples: 2, seconds: 0.001 });
    expect(host.every((time) => time > 0)).toBe(true);
  });

  it('the floor is the longer of arithmetic and bytes', () => {
    const roofline = { gflops: 50, gigabytes: 10 };
    expect(floorOf({ flops: 1e9, bytes: 1e6 }, roofline)).toBeCloseTo(20);
    expect(floorOf({ flops: 1e6, bytes: 1e9 }, roofline)).toBeCloseTo(100);
  });
});

describe('comparison', () => {
  const row = (name: string, centre: number, spread: number) => ({
    name,
    timing: { median: centre, spread, samples: 5 },
  });

  it('takes more than noise to call one of many rows slower', () => {
    // Three and a half deviations: of one row a change, of a thousand what noise does.
    const rows = (count: number, factor: number) =>
      Array.from({ length: count }, (_, i) => ({
        name: `row ${i}`,
        timing: { median: i === 0 ? factor : 1, spread: (i === 0 ? factor : 1) * 0.1, samples: 9 },
      }));
    const slower = (count: number) =>
      compareRows(rows(count, 1), rows(count, Math.exp(0.35 * Math.SQRT2))).filter(
        ({ verdict }) => verdict === 'slower',
      );
    expect([slower(1).length, slower(1000).length]).toEqual([1, 0]);
  });

  it('times what looks slower again, and believes the quickest time', async () => {
    const at = (name: string, median: number) => ({ name, timing: { median, spread: 0, samples: 9 } });
    const before = [at('same', 1), at('disturbed', 1), at('slow', 1), at('disturbed twice', 1)];
    const after = [at('same', 1), at('disturbed', 9), at('slow', 9), at('disturbed twice', 9)];
    const asked: string[] = [];
    const changes = await compareTwice(before, after, async ({ name }) => {
      asked.push(name);
      const often = asked.filter((one) => one === name).length;
      const quick = name === 'disturbed' || (name === 'disturbed twice' && often === 2);
      return at(name, quick ? 1 : 8).timing;
    });
    expect(changes.map(({ name, verdict, after: time }) => [name, verdict, time])).toEqual([
      ['same', 'same', 1],
      ['disturbed', 'same', 1],
      ['slow', 'slower', 8],
      ['disturbed twice', 'same', 1],
    ]);
    expect(asked).toEqual(['disturbed', 'slow', 'disturbed twice', 'slow', 'disturbed twice']);
  });

  it('calls slower or faster only what passes the noise of both', () => {
    const once = (median: number) => ({ name: 'once', timing: { median, spread: 0, samples: 1 } });
    const far = { name: 'once, and far', timing: { median: 1, spread: 0, samples: 1 } };
    const before = [row('steady', 100, 1), row('noisy', 100, 10), row('better', 100, 1), row('close', 100, 0)];
    before.push(once(100), far);
    const after = [row('steady', 120, 1), row('noisy', 120, 10), row('better', 50, 2), row('close', 104, 0)];
    after.push(once(125), { name: far.name, timing: { median: 50, spread: 40, samples: 3 } });
    const changes = compareRows(before, [...after, row('new', 1, 1)]);
    expect(changes.map(({ name, verdict }) => `${name} ${verdict}`)).toEqual([
      'steady slower',
      'noisy same',
      'better faster',
      'close same',
      'once same',
      'once, and far slower',
    ]);
    expect(changes[2].ratio).toBe(0.5);
  });

  it('refuses files that are none, and those of another adapter', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'frostline-bench-'));
    const path = join(folder, 'old.json');
    const rows = [row('a', 1, 0)];
    await writeFile(path, JSON.stringify({ adapter: { name: 'here' }, rows }));
    const here = { adapter: 'here', precision: 'f32', algorithm: null } as const;
    expect(await readMeasured(path, here)).toEqual(rows);
    const refused = (other: object, words: string) =>
      expect(readMeasured(path, { ...here, ...other })).rejects.toThrow(words);
    await refused({ adapter: 'there' }, 'measured on here, this is there');
    // Files without these fields are of f32 and estimates.
    await refused({ precision: 'f16' }, 'measured in f32, this is f16. Give --precision f32');
    const winograd = { algorithm: 'conv2d=winograd' };
    await refused(winograd, 'no algorithm forced, this is with algorithm conv2d=winograd. Leave out --algorithm');
    const other = { precision: 'f16', ...winograd } as const;
    await writeFile(path, JSON.stringify({ adapter: { name: 'here' }, ...other, rows }));
    expect(await readMeasured(path, { ...here, ...other })).toEqual(rows);
    await refused(winograd, 'measured in f16, this is f32. Give --precision f16');
    await refused({ precision: 'f16' }, "this is with no algorithm forced. Give --algorithm 'conv2d=winograd'");
    // Without a spread nothing is beyond the noise, and all would be the same.
    for (const bad of [null, {}, { name: 'a', timing: { median: 1 } }]) {
      await writeFile(path, JSON.stringify({ adapter: { name: 'here' }, rows: [bad] }));
      await expect(readMeasured(path, here)).rejects.toThrow('no rows with times');
    }
    await expect(readMeasured(join(folder, 'none.json'), here)).rejects.toThrow('ENOENT');
    await rm(folder, { recursive: true });
  });
});

describe('beside the plain variant', () => {
  const timing = (median: number, spread = 0) => ({ median, spread, samples: 5 });
  it('slower is what is beyond the noise', () => {
    const row = (ours: number, plain?: number, spread = 0) =>
      slowerThanPlain({ name: 'a', timing: timing(ours, spread), ...(plain && { plain: timing(plain, spread) }) });
    expect([row(2, 1), row(1, 2), row(1.04, 1), row(2, 1, 0.3), row(2)]).toEqual([true, false, false, false, false]);
  });
});

describe('the cases', () => {
  const gpu = useGpu();

  it('say what a step applies in the kernel that is timed without it', () => {
    const said = new Map(
      layerCases(plannedGpu('h100'), alexnet(), 10).map((one) => [
        `${one.layer} ${one.direction} ${one.kernel.name}`,
        inStepText(one.inStep),
      ]),
    );
    for (const [name, text] of [
      // The ReLU is the convolution's, and its derivative LRN's, which has its output at hand.
      ['conv2 forward conv2d/winograd-output', 'with relu'],
      ['relu2 forward relu/forward', 'other kernels do it'],
      ['norm2 gradient of input lrn/backward', 'with derivative of the map before'],
      ['relu2 gradient of input relu/backward', 'other kernels do it'],
      // Max pooling takes the largest first, then the ReLU of that.
      ['pool5 forward maxpool/forward', 'with relu before'],
      ['fc7 forward linear/forward', 'with relu'],
      ['fc8 forward linear/forward', 'as timed'],
      ['fc8 gradient of input linear/input-gradient', 'with derivative of relu and dropout'],
      ['fc8 gradient of bias bias/gradient', 'with sgdm'],
      ['fc8 update of bias sgdm/update', 'other kernels do it'],
      ['norm1 forward lrn/forward', 'as timed'],
      ['pool1 forward maxpool/forward', 'as timed'],
    ]) {
      expect([name, said.get(name)]).toEqual([name, text]);
    }
  });

  it("are AlexNet's and VGG16's layers with their arithmetic", () => {
    // 0.72 G multiply-adds an image, two operations each, a little more for what is no product.
    const flopsOn = (adapter: Gpu) =>
      layerCases(adapter, alexnet(), 10)
        .filter(({ direction }) => direction === 'forward')
        .reduce((sum, { kernel, params }) => sum + kernel.cost(params).flops, 0);
    expect(flopsOn(withoutSubgroups()) / 1e10).toBeGreaterThan(1.44);
    expect(flopsOn(withoutSubgroups()) / 1e10).toBeLessThan(1.5);
    // Tiles save products where they serve.
    expect(flopsOn(gpu())).toBeLessThanOrEqual(flopsOn(withoutSubgroups()));
    const names = layerCases(gpu(), vgg16(), 32).map(caseName);
    expect(names).toContainEqual(
      expect.stringMatching(/^vgg16 32 conv5_1 forward (contraction|conv2d.direct|conv2d.winograd-output)( |$)/),
    );
    expect(names).toContainEqual(
      expect.stringMatching(
        /^vgg16 32 conv5_\d gradient of weight (contraction|conv2d.direct-filter-gradient|conv2d.winograd-filter-gradient)( |$)/,
      ),
    );
    expect(new Set(names).size).toBe(names.length);
    expect(names).not.toContain('vgg16 32 conv1_1 gradient of input contraction');
    // conv5_1 to conv5_3 are one case, named by the one that comes first.
    expect(names).not.toContain('vgg16 32 conv5_2 forward contraction');
  });

  it("a network's own arithmetic is that of its layers, forward and for what is trained", () => {
    const model = createModel(alexnet());
    // Multiply-adds an image, from the layers' shapes: outputs times what each is summed over.
    const conv1 = 96 * 55 * 55 * 3 * 121;
    const convolutions = [
      256 * 27 * 27 * 48 * 25,
      384 * 13 * 13 * 256 * 9,
      384 * 13 * 13 * 192 * 9,
      256 * 13 * 13 * 192 * 9,
    ].reduce((sum, layer) => sum + layer);
    const [fc6, fc7, fc8] = [9216 * 4096, 4096 * 4096, 4096 * 1000];
    const forward = conv1 + convolutions + fc6 + fc7 + fc8;
    expect(networkFlops(model, 10, false)).toBe(20 * forward);
    const trained = (freeze: string) => {
      setMasks(model, { freeze, newParameters: ['fc8.weight', 'fc8.bias'], newLayerFactor: 10 });
      return networkFlops(model, 10, true) / 20;
    };
    // The first layer has no gradient of its input; nor has the first that is trained.
    expect(trained('none')).toBe(3 * forward - conv1);
    expect(trained('conv5')).toBe(forward + fc6 + 2 * (fc7 + fc8));
    expect(trained('fc7')).toBe(forward + fc8);
  });

  it('steps are forward and every freeze point', () => {
    expect(stepJobs(alexnetSmall, 10).map(stepName)).toEqual([
      'alexnet-small 10 forward',
      ...['none', 'conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7'].map(
        (name) => `alexnet-small 10 train, frozen: ${name}`,
      ),
    ]);
  });

  it('a product is timed in turns with the ceiling', async () => {
    const before = gpu().memory().live;
    const { milliseconds, gflops, share } = await measureProductShare(gpu(), 96, 3);
    expect(gflops * milliseconds * 1e6).toBeCloseTo(2 * 96 ** 3, 0);
    expect(share).toBeGreaterThan(0);
    expect(gpu().memory().live).toBe(before);
  });

  /** The adapter as one on which the general contraction serves every layer. */
  const withoutSubgroups = (): Gpu => {
    const algorithms = new Map([
      ['conv2d', 'implicit-gemm'],
      ['linear', 'gemm'],
    ]);
    return Object.create(gpu(), { subgroupWidth: { value: 0 }, algorithms: { value: algorithms } });
  };

  it('verification passes the kernels and catches wrong ones', async () => {
    const cases = layerCases(withoutSubgroups(), alexnetSmall(), 3).filter(
      ({ layer, kernel }) => /^conv[12]$|^fc7$/.test(layer) && kernel.name === 'contraction',
    );
    expect(cases.length).toBeGreaterThan(5);
    for (const layerCase of cases) {
      const { params } = layerCase;
      const fast = contraction.choices(gpu(), params as never).find(({ variant }) => variant === 'registers')!;
      const buffers = new CaseBuffers(gpu(), layerCase);
      const verdict = await verify(gpu(), layerCase, buffers, fast);
      expect({ name: caseName(layerCase), ...verdict }).toMatchObject({ passed: true });
      // One that leaves out the last term of the sum, and one that loses the last row of tiles.
      const broken = (change: (dispatch: ReturnType<Kernel['dispatch']>) => object): Kernel => ({
        ...layerCase.kernel,
        dispatch: (capabilities, given, views, choice) => {
          const dispatch = layerCase.kernel.dispatch(capabilities, given, views, choice);
          return choice?.variant === 'registers' ? { ...dispatch, ...change(dispatch) } : dispatch;
        },
      });
      for (const kernel of [
        broken(({ source }) => ({ source: source.replace('i < p.inner;', 'i + 1u < p.inner;') })),
        broken(({ workgroups }) => ({ workgroups: workgroups - 1 })),
      ]) {
        const wrong = await verify(gpu(), { ...layerCase, kernel }, buffers, fast);
        expect({ name: caseName(layerCase), ...wrong }).toMatchObject({ passed: false });
      }
      buffers.release();
    }
  });

  it.each([
    ['contraction', alexnet, 'conv2', { y_0: 0 }],
    ['conv2d/direct', vgg16, 'conv1_1', { stride_y: 0 }],
    ['conv2d/direct-filter-gradient', vgg16, 'conv1_1', { stride_y: 0 }],
  ] as const)('large cases of %s are verified on the host', async (name, network, layer, change) => {
    const listed = layerCases(name === 'contraction' ? withoutSubgroups() : gpu(), network(), 1);
    const layerCase = listed.find((one) => one.layer === layer && one.kernel.name === name);
    // Adapters without subgroups of one width have no direct algorithm.
    if (layerCase === undefined) return expect(gpu().subgroupWidth).toBe(0);
    const kernel: Kernel = { ...layerCase.kernel, cost: () => ({ flops: 1e15, bytes: 0 }) };
    const choice = kernel.best(gpu(), layerCase.params);
    const buffers = new CaseBuffers(gpu(), layerCase);
    const right = await verify(gpu(), { ...layerCase, kernel }, buffers, choice);
    expect(right).toMatchObject({ against: 'host', passed: true });
    const shifted: Kernel = {
      ...kernel,
      dispatch: (capabilities, params, views, given) =>
        kernel.dispatch(capabilities, { ...params, ...change } as never, views, given),
    };
    const wrong = await verify(gpu(), { ...layerCase, kernel: shifted }, buffers, choice);
    expect(wrong).toMatchObject({ against: 'host', passed: false });
    buffers.release();
  });

  it.each([
    ['lrn/forward', alexnetSmall, 3, 'p.alpha /', '0.0 * p.alpha /'],
    ['lrn/backward', alexnetSmall, 3, 'p.alpha * p.beta', '0.0 * p.alpha * p.beta'],
    ['softmax-loss/gradient', alexnet, 64, '(probability -', '(0.0 * probability -'],
    ['softmax-loss/gradient', alexnet, 64, 'i == label', 'i == 0u'],
    ['linear/backward', alexnetSmall, 3, 'let inertia =', 'let inertia = 0.0 *'],
    ['linear/backward', alexnetSmall, 3, 'let rate =', 'let rate = 0.99 *'],
    ['sgdm/update', alexnet, 1, 'weight_decay() *', '0.0 * weight_decay() *'],
    ['sgdm/update', alexnet, 1, 'learning_rate() *', '0.99 * learning_rate() *'],
  ] as const)(
    'verification of %s notices a formula without a term (%#)',
    async (name, network, batch, term, change) => {
      const listed = layerCases(gpu(), network(), batch).filter(({ kernel }) => kernel.name === name);
      const pairs = listed.map((one) => ({ one, choice: one.kernel.best(gpu(), one.params) }));
      const pair = pairs.find(({ choice }) => choice.variant !== 'plain');
      // Where there are no subgroups, layers go by the contraction.
      if (pair === undefined) return expect(gpu().subgroupWidth).toBe(0);
      const { one, choice } = pair;
      const damaged: Kernel = {
        ...one.kernel,
        dispatch: (capabilities, params, views, given) => {
          const dispatch = one.kernel.dispatch(capabilities, params, views, given);
          if (given?.variant === 'plain') return dispatch;
          expect(dispatch.source).toContain(term);
          return { ...dispatch, source: dispatch.source.replaceAll(term, change) };
        },
      };
      const buffers = new CaseBuffers(gpu(), one);
      expect(await verify(gpu(), one, buffers, choice)).toMatchObject({ passed: true });
      expect(await verify(gpu(), { ...one, kernel: damaged }, buffers, choice)).toMatchObject({ passed: false });
      buffers.release();
    },
  );

  it('the roofline kernels compute what they say', async () => {
    const bench = new Bench(gpu());
    const count = 131;
    const values = Float32Array.from({ length: count }, (_, i) => i - 60.5);
    for (const choice of rooflineCopy.choices(gpu(), { count })) {
      const views = { x: bench.put('x', values), y: bench.room('y', count) };
      await bench.run([rooflineCopy.dispatch(gpu(), { count }, views, choice)]);
      expect(await bench.floats(views.y)).toEqual(values);
    }
    for (const choice of rooflineMultiplyAdd.choices(gpu(), { count, rounds: 3 })) {
      const views = { factors: bench.put('factors', Float32Array.of(0.5, 1)), y: bench.room('y', count) };
      await bench.run([rooflineMultiplyAdd.dispatch(gpu(), { count, rounds: 3 }, views, choice)]);
      const chains = choice.configuration['chains'];
      // A chain from k: k / 8 + 1 + 1 / 2 + 1 / 4, in four places.
      const expected = 4 * ((chains * (chains - 1)) / 2 / 8 + 1.75 * chains);
      expect(await bench.floats(views.y)).toEqual(new Float32Array(count).fill(expected));
      expect(operationsARound(chains)).toBe(2 * 4 * chains);
    }
    bench.release();
  });
});
