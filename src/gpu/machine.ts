/**
 * What a GPU can do at once, as far as the estimates of variants and algorithms need it. Rates are what kernels reach,
 * not what data sheets promise. Where nothing is known of an adapter, `ANY` stands for it, a discrete GPU of the middle
 * class, or `ANY_INTEGRATED`; a probe (probe/) measures what of it can be measured.
 */
import { NOT_NEGATIVE, POSITIVE } from '../arguments.ts';
import { checkSettings, type OptionNames } from '../options.ts';

/** Rates of a GPU, for estimates. */
export interface Machine {
  /** cores that each run workgroups of their own: streaming multiprocessors (NVIDIA), compute units (AMD), Xe cores */
  readonly multiprocessors: number;
  /** multiply-adds of one of them in a cycle */
  readonly lanes: number;
  /** threads of one of them that hide the latency of its arithmetic */
  readonly threads: number;
  /** threads of one of them that hide the latency of memory */
  readonly resident: number;
  /** cycles in a millisecond */
  readonly cycles: number;
  /** bytes in a millisecond, from and to memory */
  readonly bytes: number;
  /** milliseconds between the beginnings of two dispatches that depend on each other */
  readonly dispatch: number;
}

const discrete = { lanes: 128, threads: 256, resident: 1024, dispatch: 0.005 };

const ANY: Machine = { ...discrete, multiprocessors: 64, cycles: 1.8e6, bytes: 4e8 };

/** A GPU in the processor, which shares its memory. */
const ANY_INTEGRATED: Machine = { ...discrete, multiprocessors: 8, cycles: 1.3e6, bytes: 5e7, dispatch: 0.01 };

/** What a multiprocessor holds at once. */
export interface Held {
  readonly threads: number;
  /** bytes of workgroup memory */
  readonly memory: number;
  readonly workgroups?: number;
}

export interface KnownMachine {
  readonly name: string;
  /** looked for in the adapter's name, vendor and architecture */
  readonly matches: RegExp;
  readonly machine: Machine;
  /** what its driver tells: widths of subgroups (least, most), bytes of one binding and of a workgroup's memory */
  readonly subgroups: readonly [number, number];
  readonly maxBinding: number;
  readonly maxWorkgroupMemory: number;
  /**
   * As its maker says: NVIDIA of a streaming multiprocessor (the 1 KiB that each workgroup takes beside its own is not counted),
   * AMD of half a workgroup processor, Intel of half a dual subslice, in subgroups of 16. Of Apple's, which says nothing: 1024
   * threads, and the memory that one workgroup may have
   */
  readonly holds: Held;
}

const GIB = 2 ** 30;

/**
 * Machines by name. Only the rates of the H100 and of lavapipe were measured (bench/); the others are their makers' numbers
 * of cores, clocks and memory, less what kernels do not reach.
 */
export const machines: readonly KnownMachine[] = [
  {
    name: 'h100',
    matches: /h100|h200|gh200/i,
    machine: { ...discrete, multiprocessors: 132, cycles: 1.75e6, bytes: 2.7e9 },
    subgroups: [32, 32],
    maxBinding: 4 * GIB - 4,
    maxWorkgroupMemory: 48 * 1024,
    holds: { threads: 2048, memory: 228 * 1024, workgroups: 32 },
  },
  {
    name: 'rtx-4090',
    matches: /rtx 4090(?! laptop)/i,
    machine: { ...discrete, multiprocessors: 128, cycles: 2.5e6, bytes: 9e8 },
    subgroups: [32, 32],
    maxBinding: 4 * GIB - 4,
    maxWorkgroupMemory: 48 * 1024,
    holds: { threads: 1536, memory: 100 * 1024, workgroups: 24 },
  },
  {
    name: 'navi31',
    matches: /navi31|7900 xt|gfx1100/i,
    machine: { ...discrete, multiprocessors: 96, lanes: 64, cycles: 2.3e6, bytes: 8e8 },
    subgroups: [32, 64],
    maxBinding: 4 * GIB - 4,
    maxWorkgroupMemory: 64 * 1024,
    holds: { threads: 1024, memory: 64 * 1024 },
  },
  {
    name: 'apple-m2',
    // Its larger ones have two to eight times as much of everything.
    matches: /apple m2(?! (pro|max|ultra))/i,
    machine: { ...discrete, multiprocessors: 10, cycles: 1.4e6, bytes: 9e7, dispatch: 0.01 },
    subgroups: [4, 64],
    maxBinding: 4 * GIB - 4,
    maxWorkgroupMemory: 32 * 1024,
    holds: { threads: 1024, memory: 32 * 1024 },
  },
  {
    name: 'xe',
    // With all of its cores: processors that call theirs otherwise have a third.
    matches: /iris.*xe/i,
    machine: { ...discrete, multiprocessors: 12, lanes: 64, cycles: 1.3e6, bytes: 5e7, dispatch: 0.01 },
    subgroups: [8, 32],
    maxBinding: GIB,
    maxWorkgroupMemory: 32 * 1024,
    holds: { threads: 896, memory: 64 * 1024 },
  },
  {
    // A rasteriser on two cores of 8 lanes: what is chosen for it goes by estimates of its own.
    name: 'lavapipe',
    matches: /llvmpipe|lavapipe/i,
    machine: { multiprocessors: 2, lanes: 8, threads: 8, resident: 8, cycles: 2.65e6, bytes: 7.1e6, dispatch: 0.02 },
    subgroups: [8, 8],
    maxBinding: 128 * 2 ** 20,
    maxWorkgroupMemory: 32 * 1024,
    // One after another.
    holds: { threads: 8, memory: 32 * 1024, workgroups: 1 },
  },
];

/** What is known of an adapter of this name; nothing where it is not in the table. */
export const knownMachine = (name: string): KnownMachine | undefined =>
  machines.find(({ matches }) => matches.test(name));

export const machineNamed = (name: string): Machine | undefined => knownMachine(name)?.machine;

/**
 * WebGPU does not say whether a GPU is integrated, its name does: Intel's that are no Arc cards, AMD's that are called by the
 * processor, and all of those who make none else.
 */
const INTEGRATED = [
  /apple|qualcomm|adreno|\barm\b|mali|img-tec|powervr|broadcom|samsung|xclipse|tegra|orin/i,
  /^(?!.*(arc\b.*\b[ab]\d{2,3}\b|12hp|hpg)).*\bintel\b/i,
  /radeon(\(tm\))? graphics|vega \d+ graphics|radeon(\(tm\))? \d{3}m\b/i,
  /radv (raven|picasso|renoir|cezanne|lucienne|barcelo|vangogh|rembrandt|raphael|mendocino|phoenix|hawk|strix|gfx1150|gfx1151)/i,
];

/** Where a number is from: the caller, a probe of this very device, the table of machines, or nothing but its class. */
export type MachineOrigin = 'given' | 'probed' | 'known' | 'assumed';

/** What estimates go by, and where each number is from. */
export interface MachineReport {
  readonly machine: Machine;
  readonly origins: Readonly<Record<keyof Machine, MachineOrigin>>;
}

/** The machine behind an adapter of this name, with what a probe measured in place of what is known or assumed. */
export function machineReport(name: string, measured: Partial<Machine> = {}): MachineReport {
  const known = machineNamed(name);
  const integrated = INTEGRATED.some((pattern) => pattern.test(name));
  const machine = { ...(known ?? (integrated ? ANY_INTEGRATED : ANY)), ...measured };
  const origin = (key: string): MachineOrigin =>
    Object.hasOwn(measured, key) ? 'probed' : known === undefined ? 'assumed' : 'known';
  return { machine, origins: originsOf(machine, origin) };
}

const POSITIVE_RATE = { multiprocessors: POSITIVE, lanes: POSITIVE, threads: POSITIVE, resident: POSITIVE };
const MACHINE: OptionNames<Machine> = { ...POSITIVE_RATE, cycles: POSITIVE, bytes: POSITIVE, dispatch: NOT_NEGATIVE };

/** Refuses a machine of which a rate is missing or none: every estimate would be NaN. */
export const checkMachine = (what: string, machine: Machine): void =>
  checkSettings(what, machine, MACHINE, Object.keys(MACHINE) as (keyof Machine)[]);

/** A machine that the caller gives. */
export const givenMachine = (machine: Machine): MachineReport => ({
  machine,
  origins: originsOf(machine, () => 'given'),
});

const originsOf = (machine: Machine, origin: (key: string) => MachineOrigin) =>
  Object.fromEntries(Object.keys(machine).map((key) => [key, origin(key)])) as MachineReport['origins'];

/** An adapter, as far as its profile goes. */
interface Profiled {
  readonly kind: 'hardware' | 'software' | 'embedded';
  readonly machine?: Machine;
}

/** What estimates ask of an adapter in place of its kind: what it does in a millisecond, and at once. */
export interface Profile {
  /** what algorithms and kernels count: cycles of the whole GPU, or instructions of a vector unit of a rasteriser */
  readonly unit: 'cycles' | 'instructions';
  /** of that unit in a millisecond */
  readonly instructions: number;
  /** bytes in a millisecond: of operands that are read and written once, and of what one kernel hands to the next */
  readonly streamed: number;
  readonly moved: number;
  /** milliseconds that a dispatch costs */
  readonly dispatch: number;
  /** that each run one workgroup after another; nothing where estimates of kernels count the waves of workgroups */
  readonly cores?: number;
  /** it computes while it waits for memory; else one comes after the other */
  readonly overlaps: boolean;
  /** threads that run at once, by order of magnitude */
  readonly threadsAtOnce: number;
  /** workgroups at once, and what one costs before its first element, in simple elements; nothing where that is hidden */
  readonly workgroups?: { readonly atOnce: number; readonly start: number };
  /** channels from which a workgroup for each keeps all of it busy */
  readonly busyChannels: number;
  /** hundreds of sums of a thread stay near it, in a processor's cache; the registers of a GPU's thread hold some 64 */
  readonly cachesSums: boolean;
  /** neighbouring threads should touch neighbouring addresses */
  readonly coalesces: boolean;
  /**
   * Milliseconds that a text of its own must save a run, for the driver takes seconds for a long one: they are paid back in
   * the tens of thousands of runs of an experiment. Of texts that such an adapter never runs a few are compiled, to show
   * that they are right. 0 where a driver compiles in the background
   */
  readonly compile: number;
}

/** A thread is a lane of a processor's vector unit. */
const RASTERISER = {
  unit: 'instructions',
  overlaps: false,
  busyChannels: 0,
  cachesSums: true,
  coalesces: false,
  compile: 0.02,
} as const;

/** Rasterisers in software, as measured: lavapipe on two cores of eight lanes, and the driver that npm brings, by comparison. */
const RASTERISERS: { readonly [K in 'software' | 'embedded']: Profile } = {
  software: {
    ...RASTERISER,
    instructions: 1.7e7,
    streamed: 7.1e6,
    moved: 5e6,
    dispatch: 0.04,
    cores: 2,
    threadsAtOnce: 16,
    workgroups: { atOnce: 4, start: 256 },
  },
  embedded: {
    ...RASTERISER,
    instructions: 1e6,
    streamed: 1e6,
    moved: 1e6,
    dispatch: 0.02,
    threadsAtOnce: 8,
    workgroups: { atOnce: 4, start: 16 },
  },
};

/** The only place that knows rates: of a GPU those of its machine. */
export function profileOf({ kind, machine = ANY }: Profiled): Profile {
  if (kind !== 'hardware') return RASTERISERS[kind];
  const { multiprocessors, resident, cycles, bytes, dispatch } = machine;
  return {
    unit: 'cycles',
    instructions: cycles,
    streamed: bytes,
    moved: bytes,
    dispatch,
    overlaps: true,
    threadsAtOnce: multiprocessors * resident,
    busyChannels: 2 * multiprocessors,
    cachesSums: false,
    coalesces: true,
    compile: 0,
  };
}

export const machineOf = ({ machine }: { readonly machine?: Machine }): Machine => machine ?? ANY;
