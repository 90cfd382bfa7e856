/**
 * What WebGPU would refuse late, after which nothing runs on the device any more: each is refused at once, by name, and the
 * device goes on computing.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { FrostlineError } from '../../src/errors.ts';
import { purposes } from '../../src/gpu/algorithms.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { Program } from '../../src/gpu/program.ts';
import { Storage, type View } from '../../src/gpu/storage.ts';
import { compile } from '../../src/graph/compile.ts';
import { apply } from '../../src/graph/operation.ts';
import { input, Parameter, type Tensor } from '../../src/graph/tensor.ts';
import { type Choice, defineKernel, type Kernel, perElement } from '../../src/kernels/kernel.ts';
import { decisionTrials } from '../../src/operators/trials.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();

const copyOf = (type: 'f32' | 'vec4f') =>
  defineKernel({
    name: `own/copy-${type}`,
    params: { count: 'u32' },
    bindings: { x: { access: 'read', type }, y: { access: 'write', type } },
    cost: () => ({ flops: 0, bytes: 8 }),
    variants: [perElement(({ count }) => count, 'p.count', 'y[p.y_base + index] = x[p.x_base + index];')],
  }) as Kernel;
const [copy, copyVectors] = [copyOf('f32'), copyOf('vec4f')];

/** 64 values of 1 to 64. */
const values = (on = gpu()) =>
  on.storage(
    's',
    Float32Array.from({ length: 64 }, (_, i) => i + 1),
  );

async function run(views: unknown, kernel = copy, choice?: Choice): Promise<void> {
  const program = await Program.prepare(gpu(), [
    kernel.dispatch(gpu(), { count: 4 }, views as Record<string, View>, choice),
  ]);
  program.submit();
  await gpu().idle();
  program.destroy();
}

/** The device still computes: a copy of values that were written is what they were. */
async function stillComputes(): Promise<void> {
  const [x, y] = [values(), gpu().storage('y', 16)];
  await run({ x: x.view(16, 16), y: y.view() });
  expect([...(await gpu().readFloats(y))]).toEqual([5, 6, 7, 8]);
  for (const { buffer } of [x, y]) gpu().release(buffer!);
}

afterEach(stillComputes);

const made = (storage: Storage, offset: unknown, bytes: unknown) => ({ storage, offset, bytes });

describe('a view', () => {
  it.each([
    [0, 260, /view of s begins at byte 0 and has 260 bytes; s has 256. Give a range within it/],
    [256, 16, /begins at byte 256/],
    [-256, 16, /begins at byte -256/],
    [Number.NaN, 16, /begins at byte NaN/],
    [2, 16, /multiples of 4 bytes/],
    [0, 6, /has 6 bytes.*multiples of 4 bytes/],
    [0, 0, /has 0 bytes.*of one value or more/],
    [0, '16', /has '16' bytes/],
    [undefined, undefined, /begins at byte undefined/],
  ])('from byte %s, of %s', async (offset, bytes, message) => {
    const y = values().view();
    await expect(run({ x: made(values(), offset, bytes), y })).rejects.toThrow(message);
    if (typeof offset === 'number' && typeof bytes === 'number') {
      expect(() => values().view(offset, bytes)).toThrow(message);
    }
  });

  it('of vectors of four holds whole ones', async () => {
    const y = values().view();
    await expect(run({ x: values().view(4, 64), y }, copyVectors)).rejects.toThrow(/copy-vec4f: x: .*of 16 bytes/);
    await expect(run({ x: values().view(0, 8), y }, copyVectors)).rejects.toThrow(/copy-vec4f: x: .*of 16 bytes/);
  });

  it.each([
    ['left out', (y: View) => ({ y }), /own\/copy-f32: there is no view for x. It binds x, y; given: y/],
    ['of another name', (y: View) => ({ X: y, y }), /no view for x. It binds x, y; given: X, y/],
    ['that is a storage', (y: View) => ({ x: y.storage, y }), /x: the view is Storage. Give a view/],
    ['that is none', (y: View) => ({ x: null, y }), /x: the view is null. Give a view/],
    ['of nothing', () => undefined, /views is undefined. Give an object/],
  ])('%s', async (_, views, message) => {
    await expect(run(views(values().view()))).rejects.toThrow(message);
  });

  it('whose buffer is not there: not made, released, of another device', async () => {
    const y = values().view();
    await expect(run({ x: new Storage('bare', 64).view(), y })).rejects.toThrow(/bare has no buffer yet/);
    const gone = values();
    gpu().release(gone.buffer!);
    await expect(run({ x: gone.view(), y })).rejects.toThrow(/the buffer of s was released. Make another/);
    const other = await Gpu.open();
    await expect(run({ x: values(other).view(), y })).rejects.toThrow(/s is on another device/);
    await expect(gpu().read(values(other))).rejects.toThrow(/s is on another device/);
    other.check();
    other.destroy();
  });

  it('of what the same dispatch writes, wherever in it', async () => {
    const s = gpu().storage('s', 1024);
    for (const x of [s.view(0, 256), s.view(512, 256)]) {
      await expect(run({ x, y: s.view(0, 256) })).rejects.toThrow(
        /copy-f32 plain: s is written \(binding 2\) and read \(binding 1\) by one dispatch. Write to another/,
      );
    }
  });

  it('within an operation is refused when its graph is compiled', async () => {
    const beyond = (x: Tensor, offset: number) =>
      apply(
        {
          name: 'copy',
          forward(emit) {
            const y = { storage: emit.value(emit.output), offset: 0, bytes: 16 };
            emit.run(copy, { count: 4 }, { x: { storage: emit.value(x), offset, bytes: 16 }, y });
          },
          backward: null,
        },
        [x],
        x.shape,
      );
    const x = input('x', [4]);
    const outputs = (offset: number) => compile(gpu(), { outputs: [beyond(x, offset)] });
    await expect(outputs(4)).rejects.toThrow(/view of x begins at byte 4 and has 16 bytes; x has 16/);
    (await outputs(0)).destroy();
  });
});

it('two ranges that one dispatch writes do not overlap', async () => {
  const kernel = defineKernel({
    name: 'own/two',
    params: { count: 'u32' },
    bindings: { y: { access: 'write' }, z: { access: 'write' } },
    cost: () => ({ flops: 0, bytes: 8 }),
    variants: [perElement(({ count }) => count, 'p.count', 'y[p.y_base + index] = 1; z[p.z_base + index] = 2;')],
  }) as Kernel;
  const s = gpu().storage('s', 1024);
  await expect(run({ y: s.view(0, 512), z: s.view(256, 256) }, kernel)).rejects.toThrow(
    /own\/two plain: s is written \(binding 1\) and written a second time \(binding 2\)/,
  );
  await run({ y: s.view(0, 16), z: s.view(512, 16) }, kernel);
  expect([(await gpu().readFloats(s))[3], (await gpu().readFloats(s, 512))[3]]).toEqual([1, 2]);
});

describe('a choice', () => {
  it.each([
    ['plane', { variant: 'plane', configuration: {} }, /copy-f32 has no variant 'plane'. It has plain/],
    ['a text', 'plain', /choice is 'plain'. Give a choice, \{ variant, configuration \}/],
    [
      'with a constant too many',
      { variant: 'plain', configuration: { tile: 4 } },
      /'plain tile 4' is no configuration of plain/,
    ],
  ])('of %s', async (_, choice, message) => {
    await expect(run({ x: values().view(), y: values().view() }, copy, choice as Choice)).rejects.toThrow(message);
  });

  it('without a constant of the text', async () => {
    const kernel = defineKernel({
      name: 'own/tiled',
      params: { count: 'u32' },
      bindings: { y: { access: 'write' } },
      cost: () => ({ flops: 0, bytes: 8 }),
      variants: [
        { ...perElement(({ count }) => count!, 'p.count', 'y[p.y_base + index] = 1;'), configurations: [{ tile: 4 }] },
      ],
    }) as Kernel;
    const views = { y: values().view() };
    const given = (configuration: object) => run(views, kernel, { variant: 'plain', configuration } as Choice);
    await expect(given({})).rejects.toThrow(/own\/tiled: 'plain' is no configuration of plain. Give numbers for: tile/);
    await expect(given({ tile: Number.NaN })).rejects.toThrow(/'plain tile NaN' is no configuration/);
    await given({ tile: 8 });
  });
});

/** Refused as it should be: no TypeError of JavaScript's or Dawn's. */
async function refused(what: string, call: () => unknown): Promise<string | undefined> {
  try {
    await call();
    return `${what} is accepted`;
  } catch (error) {
    return error instanceof FrostlineError ? undefined : `${what}: ${error}`;
  }
}

const NONE = [undefined, null, Number.NaN, -4, '4', 0.5, {}, [1, 2], true] as const;
const shown = (value: unknown) =>
  typeof value === 'object' ? JSON.stringify(value) : typeof value === 'string' ? `'${value}'` : String(value);

describe('every method of a Gpu with arguments that are none', () => {
  const right: Readonly<Record<string, (on: Gpu) => unknown[]>> = {
    allocate: () => ['label', 16],
    storage: () => ['label', 16, 'f32'],
    uniforms: () => ['label', new Uint8Array(16)],
    readback: () => ['label', 16],
    read: (on) => [values(on), 16, 16],
    readFloats: (on) => [values(on), 16, 16],
    write: (on) => [values(on), new Float32Array(2), 16],
    clear: (on) => [[values(on).buffer]],
    release: (on) => [values(on).buffer],
    notice: () => ['text'],
  };
  /** What may be left out, and texts that are as good as others. */
  const fine = new Set(['storage 2 undefined', 'write 2 undefined']);
  for (const method of ['allocate', 'storage', 'uniforms', 'readback', 'notice']) fine.add(`${method} 0 '4'`);
  for (const method of ['read', 'readFloats']) for (const i of [1, 2]) fine.add(`${method} ${i} undefined`);

  it.each(Object.keys(right))('%s', async (method) => {
    const on = await Gpu.open({ tuning: false, warn() {} });
    const call = (args: unknown[]) => (on[method as 'notice'] as (...all: unknown[]) => unknown)(...args);
    const wrong: (string | undefined)[] = [];
    for (const i of right[method](on).keys()) {
      for (const bad of NONE) {
        const what = `${method} ${i} ${shown(bad)}`;
        if (!fine.has(what)) wrong.push(await refused(what, () => call(right[method](on).with(i, bad))));
      }
    }
    expect(wrong.filter((one) => one !== undefined)).toEqual([]);
    await call(right[method](on));
    // Nothing of it reached the device.
    expect((await on.readFloats(values(on), 0, 8)).join()).toBe('1,2');
    on.destroy();
  });

  it('and ranges that are not within the storage', async () => {
    await expect(gpu().read(values(), 16, 256)).rejects.toThrow(/s: it holds 256 bytes; a read ends at byte 272/);
    await expect(gpu().read(values(), 260)).rejects.toThrow(/bytes is -4/);
    await expect(gpu().readFloats(values(), 0, 6)).rejects.toThrow(/bytes is 6. Give a number of bytes that is a mult/);
    expect(() => gpu().write(values(), new Float32Array(2), 252)).toThrow(/holds 256 bytes; a write ends at byte 260/);
    expect(() => gpu().write(values(), new Float32Array(2), 2)).toThrow(/offset is 2/);
    const moved = new Float32Array(2);
    structuredClone(moved, { transfer: [moved.buffer] });
    expect(() => gpu().write(values(), moved)).toThrow(/one that was transferred has none/);
    expect(() => gpu().storage('h', 6, 'f16')).toThrow(/four bytes for each value, of halves too/);
    expect(() => gpu().storage('h', new Float32Array(4), 'f16')).toThrow(/contents is Float32Array/);
    expect(() => gpu().readback('r', 2 ** 45)).toThrow(/r needs a buffer of 35184372088832 bytes; .* allows/);
  });

  it('and buffers that were released, which are counted once', async () => {
    const before = gpu().memory().live;
    const storage = values();
    expect(gpu().memory().live).toBe(before + 256);
    gpu().release(storage.buffer!);
    gpu().release(storage.buffer!);
    expect(gpu().memory().live).toBe(before);
    const message = /the buffer of s was released/;
    await expect(gpu().read(storage)).rejects.toThrow(message);
    expect(() => gpu().write(storage, new Float32Array(1))).toThrow(message);
    expect(() => gpu().clear([storage.buffer!])).toThrow(/not released/);
    const foreign = gpu().device.createBuffer({ size: 16, usage: 0x80 });
    expect(() => gpu().release(foreign)).toThrow(/was not allocated on this device/);
    expect(gpu().memory().live).toBe(before);
    foreign.destroy();
  });

  it('and one that was destroyed', async () => {
    const other = await Gpu.open();
    const { buffer } = values(other);
    other.destroy();
    for (const call of [
      () => other.clear([buffer!]),
      () => other.uniforms('u', new Uint8Array(16)),
      () => other.readback('r', 16),
    ]) {
      expect(call).toThrow(/this device was destroyed. Open another/);
    }
    other.release(buffer!);
  });

  it('and new', () => {
    expect(() => new (Gpu as unknown as new () => Gpu)()).toThrow(/not made by new. Call Gpu.open\(\)/);
  });
});

it.each(['reserve', 'place', 'reset', 'read', 'release'] as const)(
  '%s of a parameter without a device',
  async (method) => {
    const parameter = new Parameter('w', [2], new Float32Array(2));
    const call = (on: unknown) => (parameter[method] as (on: unknown) => unknown)(on);
    const wrong: (string | undefined)[] = [];
    for (const bad of NONE) wrong.push(await refused(`${method} ${shown(bad)}`, () => call(bad)));
    expect(wrong.filter((one) => one !== undefined)).toEqual([]);
    const other = await Gpu.open();
    parameter.place(other);
    other.destroy();
    // Its memory may still be given up, so that the parameter can go to another device.
    if (method === 'release') call(other);
    else expect(await refused(method, () => call(other))).toBeUndefined();
  },
);

describe('options', () => {
  const machine = { multiprocessors: 8, lanes: 32, threads: 32, resident: 64, cycles: 1e6, bytes: 1e8, dispatch: 0 };
  it.each([
    [{ adapter: '' }, /adapter is ''. Give a text such as 'auto'/],
    [{ limits: { maxBinding: '1024' } }, /The limit maxBinding is '1024'; .* from 1 to/],
    [{ limits: { toString: 3 } }, /"toString" is no limit/],
    [{ limits: { offsetAlignment: 2 ** 50 } }, /offsetAlignment is 1125899906842624; .* at most/],
    [{ kind: null }, /no kind of adapter 'null'/],
    [{ kind: 'toString' }, /no kind of adapter 'toString'/],
    [{ precision: 'f64' }, /no precision 'f64'. Give 'f32' or 'f16'/],
    [{ machine: {} }, /machine: multiprocessors is undefined. Give a number above 0/],
    [{ machine: { ...machine, cycles: Number.NaN } }, /machine: cycles is NaN/],
    [{ machine: { ...machine, dispatch: -1 } }, /machine: dispatch is -1. Give a number of 0 or more/],
    [{ machine: { ...machine, flops: 1 } }, /machine has no option 'flops'/],
    [{ algorithms: { conv3d: 'winograd' } }, /no algorithm is chosen for 'conv3d'. Give one of conv2d, linear, matMul/],
    [{ algorithms: { 'conv2d foward': 'winograd' } }, /for 'conv2d foward'. Give one of .*conv2d forward/],
    [{ algorithms: { toString: 'winograd' } }, /for 'toString'/],
    [{ algorithms: { conv2d: 3 } }, /the algorithm of 'conv2d' is 3. Give its name/],
    [{ algorithms: { conv2d: '' } }, /the algorithm of 'conv2d' is ''/],
    [{ algorithms: new Map([['conv2d', 'winograd']]) }, /algorithms is Map. Give an object/],
  ])('%j', async (options, message) => {
    await expect(Gpu.open(options as never)).rejects.toThrow(message);
    // All but the wish for an adapter and limits, which `Gpu.from` asks the device for.
    if (!('adapter' in options)) expect(() => Gpu.from(gpu().device, options as never)).toThrow(message);
  });

  it.each([
    ['conv3d=winograd', /FROSTLINE_ALGORITHM: no algorithm is chosen for 'conv3d'/],
    ['conv2d=winograd,conv2d=direct', /FROSTLINE_ALGORITHM: 'conv2d' is given winograd and direct. Give it one/],
  ])('of FROSTLINE_ALGORITHM=%s', async (text, message) => {
    process.env['FROSTLINE_ALGORITHM'] = text;
    try {
      await expect(Gpu.open()).rejects.toThrow(message);
    } finally {
      delete process.env['FROSTLINE_ALGORITHM'];
    }
  });

  it('name what algorithms are chosen for: all decisions, and none else', () => {
    expect([...purposes].sort()).toEqual(decisionTrials.map(({ decision }) => decision.purpose).sort());
  });
});
