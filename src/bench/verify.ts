/**
 * A fast variant is checked before it is timed: against the plain one on the device where that takes moderate time,
 * else against a double-precision sum on the host for some outputs.
 */
import { bufferOf, type Gpu } from '../gpu/device.ts';
import { Program } from '../gpu/program.ts';
import type { Storage, View } from '../gpu/storage.ts';
import type { ContractionParams } from '../kernels/contraction/contraction.ts';
import type { Choice, Kernel } from '../kernels/kernel.ts';
import { Random } from '../random.ts';
import type { LayerCase } from './layer-cases.ts';
import { noise } from './noise.ts';

export interface Verdict {
  /** `plain`: the plain variant itself, which the tests check; `host`: some outputs, in double precision */
  readonly against: 'plain' | 'device' | 'host';
  readonly passed: boolean;
  /** the largest error, in units of what rounding may explain */
  readonly worst: number;
}

/** Operations that the plain variant may take on the device before the host's sample is the quicker check. */
const AFFORDABLE = { hardware: 2e11, software: 2e8, embedded: 2e7 } as const;
const SAMPLED = 100;

/** A case with buffers of its own, filled with values in [-1, 1); integers are 0. */
export class CaseBuffers {
  readonly views: Readonly<Record<string, View>>;
  private readonly gpu: Gpu;
  private readonly storages: Storage[] = [];

  constructor(gpu: Gpu, { kernel, views }: Pick<LayerCase, 'kernel' | 'views'>) {
    this.gpu = gpu;
    const made = new Map<string, View>();
    const ids = new Map<Storage, number>();
    this.views = Object.fromEntries(
      Object.entries(views).map(([name, view]) => {
        if (!ids.has(view.storage)) ids.set(view.storage, ids.size);
        const key = `${ids.get(view.storage)} ${view.offset} ${view.bytes}`;
        let own = made.get(key);
        if (own === undefined) {
          own = this.fill(name, view.bytes, kernel.bindings[name].type ?? 'f32');
          made.set(key, own);
        }
        return [name, own];
      }),
    );
  }

  /** A storage of the same size for a second result. */
  room(view: View): View {
    return this.keep(this.gpu.storage('second result', view.bytes)).view();
  }

  release(): void {
    for (const storage of this.storages) this.gpu.release(bufferOf(storage));
    this.storages.length = 0;
  }

  private fill(name: string, bytes: number, type: 'f32' | 'u32' | 'vec4f'): View {
    const values = type === 'u32' ? new Float32Array(bytes / 4) : noise(bytes / 4);
    return this.keep(this.gpu.storage(name, values)).view();
  }

  private keep(storage: Storage): Storage {
    this.storages.push(storage);
    return storage;
  }
}

/** Checks one choice of a case on its buffers. Only the contraction has variants to check. */
export async function verify(gpu: Gpu, layerCase: LayerCase, buffers: CaseBuffers, choice: Choice): Promise<Verdict> {
  const { kernel, params } = layerCase;
  if (choice.variant === kernel.variants[0].name) return { against: 'plain', passed: true, worst: 0 };
  const outputs = Object.keys(kernel.bindings).filter((name) => kernel.bindings[name].access === 'write');
  const results = Object.fromEntries(outputs.map((name) => [name, buffers.room(buffers.views[name])]));
  const before = Object.fromEntries(outputs.map((name) => [name, buffers.views[name]]));
  // Kernels may update in place: both results begin with the same values.
  await copy(gpu, outputs, before, results);
  await runOnce(gpu, kernel, params, { ...buffers.views, ...results }, choice);
  const affordable = kernel.cost(params).flops <= AFFORDABLE[gpu.kind];
  if (kernel.name === 'contraction' && !affordable) {
    return checkOnHost(gpu, params as unknown as ContractionParams, buffers.views, results['c']);
  }
  const plain = Object.fromEntries(outputs.map((name) => [name, buffers.room(buffers.views[name])]));
  await copy(gpu, outputs, before, plain);
  const [plainChoice] = kernel.choices(gpu, params);
  await runOnce(gpu, kernel, params, { ...buffers.views, ...plain }, plainChoice);
  const tolerance = kernel.name === 'contraction' ? toleranceOf(params as unknown as ContractionParams) : 1e-4;
  let worst = 0;
  for (const name of outputs) {
    const [expected, actual] = [await gpu.readFloats(plain[name].storage), await gpu.readFloats(results[name].storage)];
    for (let i = 0; i < expected.length; i++) {
      const ratio = Math.abs(actual[i] - expected[i]) / tolerance;
      if (!(ratio <= worst)) worst = ratio; // NaN stays
    }
  }
  return { against: 'device', passed: worst <= 1, worst };
}

/**
 * What rounding may explain of a sum of k products below 1: each of k additions adds at most half a unit of the sum so
 * far, which for values of mean 0 grows as sqrt(k); 16 standard deviations, and a little for the last places.
 */
function toleranceOf({ u, v, r }: ContractionParams): number {
  const k = u * v * r;
  return 16 * k * 2 ** -24 + 1e-6;
}

async function runOnce(
  gpu: Gpu,
  kernel: Kernel,
  params: LayerCase['params'],
  views: Record<string, View>,
  choice: Choice,
) {
  const program = await Program.prepare(gpu, [kernel.dispatch(gpu, params, views, choice)]);
  program.submit();
  await gpu.idle();
  program.destroy();
}

async function copy(gpu: Gpu, names: readonly string[], from: Record<string, View>, to: Record<string, View>) {
  const encoder = gpu.device.createCommandEncoder();
  for (const name of names) {
    encoder.copyBufferToBuffer(bufferOf(from[name].storage), 0, bufferOf(to[name].storage), 0, from[name].bytes);
  }
  gpu.device.queue.submit([encoder.finish()]);
}

/** The formula at the head of contraction.ts, for outputs spread over all groups, rows and columns. */
async function checkOnHost(gpu: Gpu, p: ContractionParams, views: Record<string, View>, result: View) {
  const [a, b, bias, before, after] = await Promise.all(
    [views['a'], views['b'], views['bias'], views['c'], result].map(({ storage }) => gpu.readFloats(storage)),
  );
  const tolerance = toleranceOf(p);
  const random = new Random(2);
  let worst = 0;
  for (let i = 0; i < SAMPLED; i++) {
    // The corners, where tiles hang over, and any others.
    const pick = (count: number) =>
      i < 4 ? (i & 1 ? count - 1 : 0) : Math.min(count - 1, Math.floor(random.between(0, count)));
    const [g, m, j] = [pick(p.groups), i < 4 && i >= 2 ? p.rows - 1 : pick(p.rows), pick(p.columns)];
    const q = Math.floor(j / p.plane);
    const rest = j - q * p.plane;
    const [y, x] = [Math.floor(rest / p.width), rest % p.width];
    const place = g * p.c_group + m * p.c_row + q * p.c_item + rest;
    let sum = p.accumulate ? before[place] : [0, bias[g * p.rows + m], bias[q]][p.bias_mode];
    for (let u = 0; u < p.u; u++) {
      const sy = (y * p.y_step + u * p.y_u + p.y_0) / p.y_spread;
      if (!(Number.isInteger(sy) && sy >= 0 && sy < p.height)) continue;
      for (let v = 0; v < p.v; v++) {
        const sx = (x * p.x_step + v * p.x_v + p.x_0) / p.x_spread;
        if (!(Number.isInteger(sx) && sx >= 0 && sx < p.line)) continue;
        const a0 = g * p.a_group + m * p.a_row + u * p.a_u + v * p.a_v;
        const b0 = g * p.b_group + q * p.b_item + sy * p.b_line + sx;
        for (let r = 0; r < p.r; r++) sum += a[a0 + r * p.a_r] * b[b0 + r * p.b_r];
      }
    }
    const ratio = Math.abs(after[place] - sum) / tolerance;
    if (!(ratio <= worst)) worst = ratio;
  }
  return { against: 'host' as const, passed: worst <= 1, worst };
}
