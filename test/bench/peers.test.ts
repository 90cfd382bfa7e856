/** The peers' cases, the protocol with a made-up peer, and the arithmetic of the tables. Nothing here is timed. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { measureFirstStep } from '../../src/bench/first-step.ts';
import { noise } from '../../src/bench/noise.ts';
import { openFrostline } from '../../src/bench/peers/frostline.ts';
import { peerEntries } from '../../src/bench/peers/list.ts';
import { loaderFrom, type Peer, Unsupported, versionOf } from '../../src/bench/peers/peer.ts';
import { bestPeer, peerTargets, ratioTo } from '../../src/bench/peers/peer-targets.ts';
import { PeerPool } from '../../src/bench/peers/pool.ts';
import { PeerFailure, PeerProcess } from '../../src/bench/peers/process.ts';
import { PeerServer } from '../../src/bench/peers/protocol.ts';
import { distance, measureCase, type Outcome, type PeerRow, worstOf } from '../../src/bench/peers/rounds.ts';
import { permuted } from '../../src/bench/peers/tfjs.ts';
import { openTorch } from '../../src/bench/peers/torch.ts';
import { layerCases, peerCases, type WorkCase, workName, workOf } from '../../src/bench/peers/work.ts';
import { algorithmsText, parseAlgorithms } from '../../src/gpu/algorithms.ts';
import { pythonWith } from '../support/python.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostline-peers-test-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the work', () => {
  it('has every layer of AlexNet in every direction that training needs', () => {
    const names = layerCases('alexnet', 10).map(workName);
    for (const layer of ['conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7', 'fc8']) {
      for (const direction of ['forward', 'gradient of input', 'gradient of weight']) {
        expect(names).toContain(`alexnet 10 ${layer} ${direction}`);
      }
    }
    expect(names).toContain('alexnet 10 conv1 gradient of weight');
    expect(names).not.toContain('alexnet 10 conv1 gradient of input');
    expect(names).toContain('alexnet 10 norm1 gradient of input');
    expect(names).toContain('alexnet 10 pool2 gradient of input');
    expect(names).not.toContain('alexnet 10 pool1 gradient of weight');
    // relu4 works on relu3's shape.
    expect(names).toContain('alexnet 10 relu3 forward');
    expect(names).not.toContain('alexnet 10 relu4 forward');
    expect(new Set(names).size).toBe(names.length);
    expect(peerCases('vgg16', { quick: false }).map(workName)).toEqual(['vgg16 2 forward']);
    expect(peerCases('gemm', { quick: true }).map(workName)).toEqual(['gemm 768 forward']);
  });

  it('is the same in every process: one layer with its parameters, or the whole without dropout and softmax', () => {
    const conv2 = workOf({ network: 'alexnet', layer: 'conv2', batch: 3, direction: 'forward' });
    expect(conv2.inputShape).toEqual([3, 96, 27, 27]);
    expect(conv2.outputShape).toEqual([3, 256, 27, 27]);
    expect([...conv2.network.parameters.keys()]).toEqual(['conv2.weight', 'conv2.bias']);
    const whole = workOf({ network: 'alexnet-small', batch: 2, direction: 'training step' });
    const kinds = whole.network.nodes.map(({ op }) => op.kind);
    expect(kinds).not.toContain('dropout');
    expect(kinds).not.toContain('softmax');
    const drawn = workOf({ network: 'alexnet-small', batch: 2, direction: 'training step', dropout: true });
    expect(drawn.network.nodes.filter(({ op }) => op.kind === 'dropout')).toHaveLength(2);
    expect(whole.outputShape).toEqual([2, 1000]);
    expect(whole.x()).toEqual(workOf({ network: 'alexnet-small', batch: 2, direction: 'forward' }).x());
    expect(whole.x()).not.toEqual(whole.dy());
    expect([...whole.labels()].every((label) => label < 1000)).toBe(true);
    expect(() => workOf({ network: 'alexnet', layer: 'conv9', batch: 1, direction: 'forward' })).toThrow('conv9');
    expect(() => workOf({ network: 'resnet', batch: 1, direction: 'forward' })).toThrow('alexnet, alexnet-small');
  });

  it('random values repeat with a prime period, within their scale', () => {
    const values = noise(70_000, 3, 2);
    expect(values[65_537]).toBe(values[0]);
    expect(values[4]).not.toBe(values[5]);
    expect(values.every((value) => value >= -2 && value < 2)).toBe(true);
    expect(values.some((value) => Math.abs(value) > 1)).toBe(true);
    expect(noise(5, 3, 2)).toEqual(values.slice(0, 5));
  });

  it('arrays change their layout', () => {
    // [1, 2, 3, 1] in C order, its dimensions as 3, 1, 2, 0
    expect([...permuted(Float32Array.of(1, 2, 3, 4, 5, 6), [1, 2, 3, 1], [2, 0, 1, 3])]).toEqual([1, 4, 2, 5, 3, 6]);
  });
});

describe('comparison of outputs', () => {
  const outputs = (values: Record<string, number[]>) =>
    new Map(Object.entries(values).map(([name, list]) => [name, Float32Array.from(list)]));

  it('is the distance relative to ours, and what cannot be compared is infinitely far', () => {
    expect(distance(Float32Array.of(3, 4), Float32Array.of(3, 4))).toBe(0);
    expect(distance(Float32Array.of(3, 4), Float32Array.of(3, 4.5))).toBeCloseTo(0.1);
    expect(distance(Float32Array.of(3, 4), Float32Array.of(3))).toBe(Number.POSITIVE_INFINITY);
    expect(distance(Float32Array.of(3, 4), Float32Array.of(3, Number.NaN))).toBe(Number.POSITIVE_INFINITY);
    expect(distance(Float32Array.of(0, 0), Float32Array.of(0, 1))).toBe(Number.POSITIVE_INFINITY);
    expect(distance(Float32Array.of(0, 0), Float32Array.of(0, 0))).toBe(0);
  });

  it('names the output that is wrong; what a step changed may be less exact', () => {
    const ours = outputs({ loss: [1], 'change of w': [1, 2] });
    expect(worstOf(ours, outputs({ loss: [1], 'change of w': [1, 2.01] }))).toMatchObject({ passed: true });
    expect(worstOf(ours, outputs({ loss: [1.01], 'change of w': [1, 2] }))).toMatchObject({
      passed: false,
      name: 'loss',
    });
    expect(worstOf(ours, outputs({ loss: [1] }))).toMatchObject({ passed: false, name: 'change of w' });
    // Ours itself must be finite.
    const broken = outputs({ output: [Number.NaN] });
    expect(worstOf(broken, broken)).toMatchObject({ passed: false });
  });
});

describe('the protocol', () => {
  it('answers requests in turn, and tells what cannot be done from what failed', async () => {
    const log: string[] = [];
    const peer: Peer = {
      version: '7',
      adapter: 'a GPU',
      async prepare(work) {
        if (work.direction === 'training step') throw new Unsupported('inference only');
        if (work.direction !== 'forward') throw new Error('out of memory');
        log.push(`prepare ${work.network.name}`);
        return {
          run: async () => void log.push('run'),
          outputs: async () => new Map([['output', work.x().subarray(0, 2)]]),
          dispose: () => void log.push('dispose'),
        };
      },
    };
    const server = new PeerServer(async (name, root, adapter) => {
      log.push([name, root, adapter].join());
      return peer;
    });
    const work: WorkCase = { network: 'gemm', batch: 4, direction: 'forward' };
    expect(await server.answer({ do: 'open', peer: 'p', root: 'r', adapter: 'w' })).toEqual({
      ok: { version: '7', adapter: 'a GPU' },
    });
    const prepared = await server.answer({ do: 'prepare', work });
    expect(prepared).toMatchObject({ ok: { first: expect.any(Number), preparation: expect.any(Number) } });
    const { ok } = (await server.answer({ do: 'outputs', folder })) as { ok: { files: Record<string, string> } };
    const bytes = await readFile(ok.files['output']);
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4)]).toEqual([...noise(2)]);
    const time = async (least: number) =>
      (await server.answer({ do: 'time', least, warm: 0 })) as { ok: { milliseconds: number; runs: number } };
    expect((await time(0)).ok.runs).toBe(1);
    const filled = log.length;
    const sample = (await time(5)).ok;
    expect(sample.milliseconds * sample.runs).toBeGreaterThanOrEqual(4.999);
    expect(log.splice(filled)).toHaveLength(sample.runs);
    expect(await server.answer({ do: 'prepare', work: { ...work, direction: 'training step' } })).toEqual({
      unsupported: 'inference only',
    });
    expect(await server.answer({ do: 'prepare', work: { ...work, direction: 'gradient of input' } })).toEqual({
      failed: 'out of memory',
    });
    // The first run is the preparation's; the next case disposes of the one before.
    expect(log).toEqual(['p,r,w', 'prepare gemm', 'run', 'run', 'dispose']);
  });

  /** A process that answers by hand-written rules; each gets the request and what it was started as. */
  async function madeUp(name: string, body: string, timeout = 20): Promise<PeerProcess> {
    const module = join(folder, `${name}.mjs`);
    const reply = `
      import { writeFileSync } from 'node:fs';
      let runs = 0;
      const float = (value) => new Uint8Array(Float32Array.of(value).buffer);
      const standard = {
        open: () => ({ version: '1' }),
        prepare: () => ({ preparation: 1, first: 50 }),
        outputs: ({ folder }) => (writeFileSync(folder + '/0.f32', float(2)), { files: { output: folder + '/0.f32' } }),
        time: (request) => ({ milliseconds: 20 + runs++, runs: 5 }),
        dispose: () => ({}),
      };
      const own = ${body};
      process.on('message', async (request) => {
        const answer = own[request.do] ?? standard[request.do];
        try { process.send({ ok: await answer(request) }); } catch (error) { process.send({ [error.name]: error.message }); }
      });
      process.on('disconnect', () => process.exit());`;
    await writeFile(module, reply);
    return new PeerProcess(name, { module, environment: { MADE_UP: 'yes' }, timeout });
  }

  it('a process that dies, hangs or reports an error is told apart, and never hangs the parent', async () => {
    const dying = await madeUp('dying', `{ time: () => { console.error('device lost'); process.exit(7); } }`);
    expect(await dying.ask({ do: 'open', peer: 'x', root: '' })).toEqual({ version: '1' });
    await expect(dying.ask({ do: 'time', least: 0, warm: 0 })).rejects.toThrow('ended with exit code 7: device lost');
    expect(dying.alive).toBe(false);
    await expect(dying.ask({ do: 'time', least: 0, warm: 0 })).rejects.toThrow(PeerFailure);
    const hanging = await madeUp('hanging', '{ time: () => new Promise(() => {}) }', 1);
    await expect(hanging.ask({ do: 'time', least: 0, warm: 0 })).rejects.toThrow("no answer to 'time' in 1 s");
    const environment = await madeUp('environment', `{ open: () => ({ version: process.env.MADE_UP }) }`);
    expect(await environment.ask({ do: 'open', peer: 'x', root: '' })).toEqual({ version: 'yes' });
    environment.kill();
    await expect(environment.ask({ do: 'time', least: 0, warm: 0 })).rejects.toThrow('was stopped');
  });

  it('a case: what is wrong, missing or broken is not timed, the others take turns', async () => {
    const fail = (name: string, message: string) =>
      `{ const e = new Error('${message}'); e.name = '${name}'; throw e; }`;
    const processes = await Promise.all([
      madeUp('frostline', '{}'),
      madeUp('right', '{}'),
      madeUp(
        'wrong',
        `{ outputs: ({ folder }) => (writeFileSync(folder + '/0.f32', float(2.1)), { files: { output: folder + '/0.f32' } }) }`,
      ),
      madeUp('without', `{ prepare: () => ${fail('unsupported', 'no LRN')} }`),
      madeUp('broken', `{ time: () => ${fail('failed', 'lost')} }`),
    ]);
    const work: WorkCase = { network: 'gemm', batch: 4, direction: 'forward' };
    const notes: string[] = [];
    const options = { samples: 3, seconds: 0.001, patience: 60, folder };
    const row = await measureCase(work, processes, options, (text) => notes.push(text));
    for (const process of processes) process.kill();
    expect(row.name).toBe('gemm 4 forward');
    // The second run, 20, warms up; then 21, 22, 23.
    const timing = { median: 22, samples: 3 };
    expect(row.outcomes).toMatchObject({
      frostline: { status: 'timed', timing, first: 50, error: 0 },
      right: { status: 'timed', timing, first: 50, error: 0 },
      wrong: { status: 'wrong', output: 'output' },
      without: { status: 'unsupported', reason: 'no LRN' },
      broken: { status: 'failed', reason: 'lost' },
    });
    expect((row.outcomes['wrong'] as { error: number }).error).toBeCloseTo(0.05);
    expect(notes.filter((text) => text.startsWith('round'))).toEqual(['round 1', 'round 2', 'round 3']);
  });

  it('ours, where two others agree that it is wrong, is not timed either', async () => {
    const off = `{ outputs: ({ folder }) => (writeFileSync(folder + '/0.f32', float(3)), { files: { output: folder + '/0.f32' } }) }`;
    const processes = await Promise.all([madeUp('ours', '{}'), madeUp('one', off), madeUp('two', off)]);
    const work: WorkCase = { network: 'gemm', batch: 4, direction: 'forward' };
    const options = { samples: 3, seconds: 0.001, patience: 60, folder };
    const { outcomes } = await measureCase(work, processes, options);
    expect(outcomes['ours']).toMatchObject({
      status: 'failed',
      reason: expect.stringContaining('any of the 2 others'),
    });
    // One alone may as well be wrong itself.
    const alone = await measureCase(work, processes.slice(0, 2), options);
    expect(alone.outcomes).toMatchObject({ ours: { status: 'timed' }, one: { status: 'wrong' } });
    for (const process of processes) process.kill();
  });

  it('without ours nothing is compared; a long run is one sample', async () => {
    const work: WorkCase = { network: 'gemm', batch: 4, direction: 'forward' };
    const options = { samples: 3, seconds: 0.001, patience: 0.1, folder };
    const crashing = await madeUp('frostline', `{ prepare: () => process.exit(3) }`);
    const other = await madeUp('other', '{}');
    const row = await measureCase(work, [crashing, other], options);
    expect(Object.keys(row.outcomes)).toEqual(['frostline']);
    const slow = await madeUp('slow', '{ time: () => ({ milliseconds: 500, runs: 1 }) }');
    const { outcomes } = await measureCase(work, [slow], options);
    expect(outcomes['slow']).toMatchObject({ status: 'timed', timing: { median: 500, samples: 1 } });
    for (const process of [other, slow]) process.kill();
  });
});

describe('algorithms that are forced', () => {
  it('reach the processes of peers and of first steps', async () => {
    const module = join(folder, 'tells.mjs');
    await writeFile(module, "process.on('message', () => process.send({ failed: process.env.FROSTLINE_ALGORITHM }));");
    const common = { module, adapter: 'software', timeout: 60, algorithms: new Map([['conv2d', 'direct']]) };
    const pool = new PeerPool({ ...common, roots: [], only: [], adapterName: '', environment: {} });
    await expect(pool.open()).rejects.toThrow('conv2d=direct');
    pool.close();
    const step = measureFirstStep('alexnet-small', 1, { ...common, kind: 'software' });
    await expect(step).rejects.toThrow('conv2d=direct');
  });

  it('are refused there too, where there are none of that name', async () => {
    vi.stubEnv('FROSTLINE_ALGORITHM', 'conv2d=foo');
    await expect(openFrostline()).rejects.toThrow("conv2d has no algorithm 'foo'");
    vi.unstubAllEnvs();
  });

  it('are written as they are read', () => {
    const text = 'conv2d forward=winograd,linear=vectors';
    expect(algorithmsText(parseAlgorithms('linear = vectors, conv2d forward=winograd'))).toBe(text);
    expect(algorithmsText(parseAlgorithms(text))).toBe(text);
    expect(algorithmsText(new Map())).toBe('');
  });
});

describe('tables', () => {
  const timed = (median: number): Outcome => ({
    status: 'timed',
    timing: { median, spread: 0, samples: 3 },
    first: 1,
    error: 0,
  });
  const row = (work: WorkCase, times: Record<string, number | undefined>): PeerRow => ({
    name: workName(work),
    ...work,
    outcomes: Object.fromEntries(
      Object.entries(times).map(([peer, time]) => [
        peer,
        time === undefined ? { status: 'wrong', output: 'output', error: 1 } : timed(time),
      ]),
    ),
  });
  const forward: WorkCase = { network: 'alexnet', batch: 10, direction: 'forward' };

  it('ratios leave out what was not timed, and the processor does not count as a peer on the adapter', () => {
    const one = row(forward, { frostline: 10, a: 80, b: 50, c: undefined, cpu: 1 });
    expect(ratioTo(one, 'a')).toBe(8);
    expect(ratioTo(one, 'c')).toBeUndefined();
    expect(bestPeer(one, ['a', 'b', 'c'])).toEqual({ name: 'b', ratio: 5 });
    expect(bestPeer(one, ['c'])).toBeUndefined();
    expect(ratioTo(row(forward, { frostline: undefined, a: 1 }), 'a')).toBeUndefined();
  });

  it('targets: met, missed, reached the aim, not measured', () => {
    const layer = (name: string, times: Record<string, number>) => row({ ...forward, layer: name }, times);
    const rows = [
      row(forward, { frostline: 10, 'onnxruntime-webgpu': 60 }),
      row({ ...forward, direction: 'training step' }, { frostline: 10, 'jax-js': 79 }),
      layer('conv1', { frostline: 10, 'jax-js': 100, 'tfjs-webgpu': 50 }),
      layer('pool1', { frostline: 10, 'jax-js': 9, 'onnxruntime-cpu': 1 }),
    ];
    const peers = ['onnxruntime-webgpu', 'tfjs-webgpu', 'jax-js'];
    const targets = peerTargets(rows, peers, 0.9);
    expect(targets.map(({ verdict }) => verdict)).toEqual(['met', 'missed', 'not measured', 'missed', 'aim']);
    expect(targets.map(({ reached }) => reached && Number(reached.toFixed(4)))).toEqual([6, 7.9, undefined, 0.9, 0.9]);
  });
});

describe('finding peers', () => {
  it('reads the version of a package, and every npm peer says how it is installed', () => {
    expect(versionOf(loaderFrom('.'), 'zod')).toMatch(/^4\./);
    for (const { packages, install } of peerEntries.filter((entry) => entry.packages.length > 0)) {
      for (const name of packages) expect(install).toContain(name);
      expect(install).toContain('--ignore-scripts');
    }
    expect(() => loaderFrom(folder).resolve('onnxruntime-node')).toThrow();
  });
});

describe.skipIf(pythonWith('torch') === undefined)('frostline beside python3 with torch', () => {
  it('gives the same outputs and takes the same training step', async () => {
    const [ours, torch] = [await openFrostline(), await openTorch()];
    const cases: WorkCase[] = [
      { network: 'gemm', batch: 33, direction: 'forward' },
      ...layerCases('alexnet-small', 3).filter(({ layer }) => ['conv2', 'norm1', 'pool1', 'fc6'].includes(layer!)),
      { network: 'alexnet-small', batch: 3, direction: 'training step' },
    ];
    for (const work of cases) {
      const results = [];
      for (const peer of [ours, torch]) {
        const prepared = await peer.prepare(workOf(work));
        await prepared.run();
        results.push(await prepared.outputs());
        await prepared.dispose();
      }
      const [expected, actual] = results;
      expect({ work: workName(work), ...worstOf(expected, actual) }).toMatchObject({ passed: true });
      expect(expected.size).toBe(work.direction === 'training step' ? 3 : 1);
    }
  });
});
