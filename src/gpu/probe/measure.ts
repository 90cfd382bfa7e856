/**
 * The probe: what a device does in half a second at most, once its two kernels are compiled, as times alone; times.ts reads
 * them. It runs on a device of its own, so that nothing of it is left behind on the one that is worked with.
 */
import type { Gpu } from '../device.ts';
import { type Dispatch, Program } from '../program.ts';
import { PassTimer } from '../timer.ts';
import { bracket, least, type ProbeTimes, type Stair } from './times.ts';

/** Milliseconds that all of it may take. */
const BUDGET = 500;
/** Milliseconds of work before the first that counts. */
const WAKING = 50;
/** Milliseconds of one workgroup: by the device's stamps, or by the host's clock, which also counts the way there. */
const LONG_ENOUGH = { device: 0.25, host: 2 } as const;
/** Each thing is timed so often. */
const SAMPLES = 3;
/** The stairs are climbed until time is this many times the first's: to rounds of workgroups that leave little idle. */
const HIGH_ENOUGH = 8;
const MOST_WORKGROUPS = 1 << 14;
/** Bytes of a copy's source: with its target more than any cache has. A slow device copies fewer. */
const COPIED = { few: 1 << 24, many: 1 << 27, most: 50 } as const;
/** Dependent dispatches in a pass. */
const CHAINS = [16, 256] as const;

/** Chains of multiply-adds that are independent of each other hide its latency; rounds in a row, that of the loop. */
const CHAINED = 8;
const UNROLLED = 4;
const OPERATIONS = 4 * CHAINED * UNROLLED;
const THREADS = { work: 1024, copy: 256 } as const;

/** A workgroup that keeps a multiprocessor busy for `rounds`, and touches no memory. */
function workText(threads: number): string {
  const each = Array.from({ length: CHAINED }, (_, k) => k);
  const round = each.map((k) => `    c${k} = fma(c${k}, x, vec4f(1.0));`).join('\n');
  return /* wgsl */ `struct Parameters { rounds: u32, factor: f32, never: f32 }
@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read_write> sink: array<f32>;

@compute @workgroup_size(${threads})
fn main() {
  let x = vec4f(p.factor);
${each.map((k) => `  var c${k} = vec4f(${k}.0);`).join('\n')}
  for (var round = 0u; round < p.rounds; round++) {
${Array(UNROLLED).fill(round).join('\n')}
  }
  // With a factor of 1/2 the sums stay below 8 and more each: it is never written, and the loop cannot be left out.
  let sum = dot(${each.map((k) => `c${k}`).join(' + ')}, vec4f(1.0));
  if (sum == p.never) { sink[0] = sum; }
}
`;
}

const COPY_TEXT = /* wgsl */ `struct Parameters { count: u32 }
@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(${THREADS.copy})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = (group.x + group.y * groups.x) * ${THREADS.copy}u + thread;
  if (index < p.count) { y[index] = x[index]; }
}
`;

/** What a reading hangs on besides the device. */
export const probeText = (): string => [workText(THREADS.work), COPY_TEXT].join('\n');

/** Why there are no times. */
export class ProbeError extends Error {}

/**
 * Times the device. Afterwards it is to be destroyed, with all that lies on it.
 * @throws ProbeError where times cannot be had
 */
export async function measureTimes(gpu: Gpu): Promise<ProbeTimes> {
  const threads = Math.min(THREADS.work, gpu.limits.maxThreads);
  const source = workText(threads);
  const sink = gpu.storage('sink', 16);
  const busy = (rounds: number, workgroups: number): Dispatch => ({
    label: 'probe/work',
    source,
    uniforms: parameters(rounds),
    bindings: [{ access: 'write', view: sink.view() }],
    workgroups,
  });
  const clock = new Clock(gpu);
  await clock.time([busy(0, 1)]); // compiles
  clock.start();
  await wake(clock, busy);
  const rounds = await enoughRounds(clock, busy);
  const stairs = await climb(clock, (workgroups) => busy(rounds, workgroups));
  const chains = [];
  for (const dispatches of CHAINS) {
    chains.push({ dispatches, milliseconds: await clock.series(Array(dispatches).fill(busy(0, 1))) });
  }
  return { work: threads * OPERATIONS * rounds, stairs, copy: await timeCopy(gpu, clock), chains };
}

/** Parameters of `workText`. */
function parameters(rounds: number): Uint8Array<ArrayBuffer> {
  const bytes = new DataView(new ArrayBuffer(16));
  bytes.setUint32(0, rounds, true);
  bytes.setFloat32(4, 0.5, true);
  bytes.setFloat32(8, -1, true);
  return new Uint8Array(bytes.buffer);
}

/** Passes and their times, within the budget. */
class Clock {
  /** milliseconds from which on a time is to be trusted */
  readonly enough: number;
  private readonly gpu: Gpu;
  private readonly timer: PassTimer | undefined;
  private deadline = Number.POSITIVE_INFINITY;

  constructor(gpu: Gpu) {
    this.gpu = gpu;
    this.timer = PassTimer.on(gpu);
    this.enough = LONG_ENOUGH[this.timer === undefined ? 'host' : 'device'];
  }

  /** From here on the budget counts. */
  start(): void {
    this.deadline = performance.now() + BUDGET;
  }

  /** Milliseconds of these dispatches, one after another. */
  async time(dispatches: readonly Dispatch[]): Promise<number> {
    const [time] = await this.series(dispatches, 1);
    return time;
  }

  /** The same, several times. */
  async series(dispatches: readonly Dispatch[], samples: number = SAMPLES): Promise<number[]> {
    const program = await Program.prepare(this.gpu, dispatches);
    try {
      const times: number[] = [];
      while (times.length < samples) times.push(await this.pass(program));
      return times;
    } finally {
      program.destroy();
    }
  }

  private async pass(program: Program): Promise<number> {
    const start = performance.now();
    if (start > this.deadline) throw new ProbeError(`it takes longer than ${BUDGET} ms`);
    program.submit(this.timer);
    if (this.timer === undefined) await this.gpu.idle();
    const own = await this.timer?.milliseconds();
    this.gpu.check();
    const host = performance.now() - start;
    // The host waits for what the device does: it cannot have been done with long before, but for compilation.
    if (own !== undefined && own < this.enough && host > BUDGET / 4 && this.deadline < Number.POSITIVE_INFINITY) {
      throw new ProbeError(`its clock counts ${own} ms where ${Math.round(host)} ms went by`);
    }
    return own ?? host;
  }
}

/** An idle device has a low clock, and takes milliseconds to raise it. */
async function wake(clock: Clock, busy: (rounds: number, workgroups: number) => Dispatch): Promise<void> {
  const end = performance.now() + WAKING;
  for (let workgroups = 1; performance.now() < end; workgroups = Math.min(2 * workgroups, MOST_WORKGROUPS)) {
    await clock.time([busy(64, workgroups)]);
  }
}

/** Rounds after which one workgroup took long enough. */
async function enoughRounds(clock: Clock, busy: (rounds: number, workgroups: number) => Dispatch): Promise<number> {
  for (let rounds = 64; ; rounds *= 4) {
    if ((await clock.time([busy(rounds, 1)])) >= clock.enough) return rounds;
  }
}

/** Times of 1, 2, 4, ... workgroups, then of numbers between the last that took as long as one and the first that did not. */
async function climb(clock: Clock, busy: (workgroups: number) => Dispatch): Promise<Stair[]> {
  const stairs: Stair[] = [];
  const take = async (workgroups: number): Promise<number> => {
    const milliseconds = await clock.series([busy(workgroups)]);
    stairs.push({ workgroups, milliseconds });
    return least(milliseconds);
  };
  const first = await take(1);
  for (let workgroups = 2; workgroups <= MOST_WORKGROUPS; workgroups *= 2) {
    if ((await take(workgroups)) > HIGH_ENOUGH * first) break;
  }
  for (let step = bracket(stairs); step && step.grown - step.flat > 1; step = bracket(stairs)) {
    await take(Math.floor((step.flat + step.grown) / 2));
  }
  return stairs;
}

/** Of many bytes, or of few where the device is slow; what is copied first is zeroed first. */
async function timeCopy(gpu: Gpu, clock: Clock): Promise<ProbeTimes['copy']> {
  const [few, many] = [COPIED.few, COPIED.many].map(
    (bytes) => 16 * Math.floor(Math.min(bytes, gpu.limits.maxBinding) / 16),
  );
  const small = copyDispatch(gpu, few);
  await clock.time([small]);
  const slow = (await clock.time([small])) * (many / few) > COPIED.most;
  const large = slow ? small : copyDispatch(gpu, many);
  if (!slow) await clock.time([large]);
  return { bytes: 2 * (slow ? few : many), milliseconds: await clock.series([large]) };
}

/** @param bytes a multiple of 16 */
function copyDispatch(gpu: Gpu, bytes: number): Dispatch {
  const [x, y] = ['source', 'target'].map((label) => gpu.storage(label, bytes));
  const count = bytes / 16;
  return {
    label: 'probe/copy',
    source: COPY_TEXT,
    uniforms: new Uint8Array(Uint32Array.of(count, 0, 0, 0).buffer),
    bindings: [
      { access: 'read', view: x.view() },
      { access: 'write', view: y.view() },
    ],
    workgroups: Math.ceil(count / THREADS.copy),
  };
}
