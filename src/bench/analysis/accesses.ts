/**
 * What a kernel's threads touch in memory, counted from the indices that they used in some workgroups (./instrument.ts):
 *
 * - memory: sectors of 32 bytes that the 32 lanes of a warp touch together, and the fewest that hold what they touch.
 *   A warp that reads 32 neighbouring floats touches 4; one that reads them a line apart touches 32.
 * - workgroup memory: turns that it takes to serve a warp. There are 32 banks, one word wide; two words of one bank need
 *   two turns, one word read by many lanes needs one. 32 lanes of vectors of four words need four turns at best, of two two.
 *
 * Lanes of a warp are thought to go in step: the n-th time that they reach one place in the text is one access. Loads of
 * neighbouring words from workgroup memory, aligned, one behind the other in the text, count as the one load that compilers
 * make of them. Caches are not modelled: a sector read twice counts twice.
 */
import { FrostlineError } from '../../errors.ts';
import type { Gpu } from '../../gpu/device.ts';
import { bufferOf } from '../../gpu/storage.ts';
import type { KernelDispatch } from '../../kernels/kernel.ts';
import { type Access, type Instrumented, instrument } from './instrument.ts';

const WARP = 32;
const SECTOR = 32;
const BANKS = 32;

/** Accesses of one kind to one array. */
export interface AccessRow {
  readonly array: string;
  readonly space: Access['space'];
  readonly kind: Access['kind'];
  /** bytes that a lane touches at a time */
  readonly bytes: number;
  /** of a warp, in one workgroup on average */
  readonly accesses: number;
  /** of memory: sectors that an access touches on average, and the fewest that could hold it */
  readonly sectors?: { readonly touched: number; readonly fewest: number };
  /** of workgroup memory: turns that an access takes on average, and the fewest */
  readonly turns?: { readonly taken: number; readonly fewest: number };
}

export interface AccessReport {
  /** workgroups that were looked at, of how many */
  readonly groups: readonly number[];
  readonly workgroups: number;
  readonly rows: readonly AccessRow[];
  /** sectors touched over the fewest, of all accesses to memory; 1 is coalesced */
  readonly sectors: number;
  /** turns taken over the fewest, of all accesses to workgroup memory; 1 is free of bank conflicts */
  readonly turns: number;
}

/** More of an array are not needed: what lies beyond is read as anything, and addresses stand for themselves. */
const MOST_BYTES = 2 ** 24;

/**
 * Runs the first, the middle and the last workgroup of a dispatch on `gpu` and counts.
 *
 * @param dispatch of any adapter's plan; its own buffers are not touched
 * @throws FrostlineError where the text has what the instrument does not know, or the adapter has too few bindings
 */
export async function countAccesses(gpu: Gpu, dispatch: KernelDispatch): Promise<AccessReport> {
  const { workgroups } = dispatch;
  const groups = [...new Set([0, Math.floor(workgroups / 2), workgroups - 1])];
  const instrumented = instrument(dispatch.source, groups);
  const words = await runInstrumented(gpu, dispatch, instrumented, groups.length);
  return { groups, workgroups, ...summed(tally(instrumented, words, groups.length), groups.length) };
}

async function runInstrumented(
  gpu: Gpu,
  dispatch: KernelDispatch,
  { text, lanes, words }: Instrumented,
  groups: number,
): Promise<Uint32Array> {
  if (lanes > gpu.limits.maxThreads) {
    throw new FrostlineError(
      `kernels analyze: ${dispatch.label} has ${lanes} threads a workgroup, and the adapter here runs ${gpu.limits.maxThreads}.`,
    );
  }
  const uniform = gpu.uniforms('parameters', dispatch.uniforms);
  const storages = [
    ...dispatch.bindings.map(({ view }, i) =>
      gpu.storage(`binding ${i + 1}`, Math.min(MOST_BYTES, 256 + 16 * Math.ceil(view.bytes / 16))),
    ),
    gpu.storage('accesses', new Uint32Array(words)),
  ];
  try {
    const accesses = ['uniform', ...dispatch.bindings.map(({ access }) => access), 'write'] as const;
    const { pipeline, layout } = await gpu.pipelines.get(`${dispatch.label}, instrumented`, text, accesses);
    const buffers = [uniform, ...storages.map(bufferOf)];
    const bindGroup = gpu.device.createBindGroup({
      layout,
      entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(groups);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    return new Uint32Array(await gpu.read(storages.at(-1)!));
  } finally {
    for (const buffer of [uniform, ...storages.map(bufferOf)]) gpu.release(buffer);
  }
}

interface Tally {
  readonly access: Access;
  /** of warps, those that were recorded and all of them */
  readonly recorded: number;
  readonly made: number;
  /** sectors or turns of those recorded */
  readonly touched: number;
  readonly fewest: number;
}

/** Indices of the warp's lanes at the n-th time that they came to an access; undefined of a lane that did not. */
type WarpOf = (access: number, group: number, warp: number, n: number) => (number | undefined)[];

function tally(instrumented: Instrumented, words: Uint32Array, groups: number): Tally[] {
  const { accesses, lanes, kept, recordAt } = instrumented;
  const warps = Math.ceil(lanes / WARP);
  const lanesOf = (warp: number) => Math.min(WARP, lanes - warp * WARP);
  const made = (access: number, group: number, warp: number) => {
    let most = 0;
    for (let i = 0; i < lanesOf(warp); i++) {
      most = Math.max(most, words[recordAt(group, warp * WARP + i, access)]);
    }
    return most;
  };
  const warpOf: WarpOf = (access, group, warp, n) =>
    Array.from({ length: lanesOf(warp) }, (_, i) => {
      const at = recordAt(group, warp * WARP + i, access);
      return n < words[at] ? words[at + 1 + n] : undefined;
    });
  const tallies: Tally[] = [];
  for (let first = 0; first < accesses.length; ) {
    const width = vectorAt(first, accesses, warpOf, made, groups, warps, kept);
    const access = width === 1 ? accesses[first] : { ...accesses[first], bytes: accesses[first].bytes * width };
    const sum = { access, recorded: 0, made: 0, touched: 0, fewest: 0 };
    for (let group = 0; group < groups; group++) {
      for (let warp = 0; warp < warps; warp++) {
        const count = made(first, group, warp);
        sum.made += count;
        for (let n = 0; n < Math.min(count, kept); n++) {
          const { touched, fewest } = costOf(access, warpOf(first, group, warp, n));
          sum.recorded++;
          sum.touched += touched;
          sum.fewest += fewest;
        }
      }
    }
    if (sum.made > 0) tallies.push(sum);
    first += width;
  }
  return tallies;
}

/** How many accesses from `first` on are one load of a vector: 4, 2 or 1. */
function vectorAt(
  first: number,
  accesses: readonly Access[],
  warpOf: WarpOf,
  made: (access: number, group: number, warp: number) => number,
  groups: number,
  warps: number,
  kept: number,
): number {
  const { array, space, kind, bytes } = accesses[first];
  if (space !== 'workgroup' || kind !== 'load' || bytes !== 4) return 1;
  const continues = (i: number) => {
    const other = accesses[first + i];
    return other !== undefined && other.array === array && other.kind === kind && other.bytes === bytes;
  };
  const together = (width: number) => {
    for (let group = 0; group < groups; group++) {
      for (let warp = 0; warp < warps; warp++) {
        for (let n = 0; n < Math.min(kept, made(first, group, warp)); n++) {
          const starts = warpOf(first, group, warp, n);
          if (starts.some((at) => at !== undefined && at % width !== 0)) return false;
          for (let i = 1; i < width; i++) {
            const others = warpOf(first + i, group, warp, n);
            if (others.some((at, lane) => at !== (starts[lane] === undefined ? undefined : starts[lane] + i))) {
              return false;
            }
          }
        }
      }
    }
    return true;
  };
  return (
    [4, 2].find((width) => Array.from({ length: width - 1 }, (_, i) => i + 1).every(continues) && together(width)) ?? 1
  );
}

function costOf({ space, bytes, stride, offset }: Access, indices: readonly (number | undefined)[]) {
  const starts = indices.filter((index) => index !== undefined).map((index) => index * stride + offset);
  return space === 'storage' ? sectorsOf(starts, bytes) : turnsOf(starts, bytes);
}

function sectorsOf(starts: readonly number[], bytes: number) {
  const sectors = new Set<number>();
  const distinct = new Set(starts);
  for (const start of distinct) {
    for (let at = Math.floor(start / SECTOR); at * SECTOR < start + bytes; at++) sectors.add(at);
  }
  return { touched: sectors.size, fewest: Math.ceil((distinct.size * bytes) / SECTOR) };
}

/** A turn serves as many lanes as make 128 bytes, or fewer where two of their words lie in one bank. */
function turnsOf(starts: readonly number[], bytes: number) {
  const together = Math.max(1, Math.floor((WARP * 4) / Math.max(4, bytes)));
  let touched = 0;
  let fewest = 0;
  for (let first = 0; first < starts.length; first += together) {
    const banks = new Map<number, Set<number>>();
    for (const start of starts.slice(first, first + together)) {
      for (let word = Math.floor(start / 4); 4 * word < start + bytes; word++) {
        const bank = banks.get(word % BANKS) ?? new Set();
        banks.set(word % BANKS, bank.add(word));
      }
    }
    touched += Math.max(...[...banks.values()].map((wordsOfBank) => wordsOfBank.size));
    fewest++;
  }
  return { touched, fewest };
}

/** Accesses of one kind to one array together; sums over those recorded stand for all that were made. */
function summed(tallies: readonly Tally[], groups: number): Pick<AccessReport, 'rows' | 'sectors' | 'turns'> {
  const rows = new Map<string, { access: Access; made: number; touched: number; fewest: number }>();
  for (const { access, recorded, made, touched, fewest } of tallies) {
    const key = [access.array, access.kind, access.bytes].join();
    const row = rows.get(key) ?? { access, made: 0, touched: 0, fewest: 0 };
    rows.set(key, {
      access,
      made: row.made + made,
      touched: row.touched + (touched * made) / recorded,
      fewest: row.fewest + (fewest * made) / recorded,
    });
  }
  const share = (space: Access['space']) => {
    const own = [...rows.values()].filter(({ access }) => access.space === space);
    const sum = (of: 'touched' | 'fewest') => own.reduce((total, row) => total + row[of], 0);
    return own.length === 0 ? 1 : sum('touched') / sum('fewest');
  };
  return {
    rows: [...rows.values()].map(({ access: { array, space, kind, bytes }, made, touched, fewest }) => ({
      array,
      space,
      kind,
      bytes,
      accesses: made / groups,
      ...(space === 'storage'
        ? { sectors: { touched: touched / made, fewest: fewest / made } }
        : { turns: { taken: touched / made, fewest: fewest / made } }),
    })),
    sectors: share('storage'),
    turns: share('workgroup'),
  };
}
