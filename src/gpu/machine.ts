/**
 * What a GPU can do at once, as far as the estimates of variants and algorithms need it. Rates are what kernels reach,
 * not what data sheets promise. Where nothing is known of an adapter, `ANY` stands for it: a discrete GPU of the middle
 * class.
 */
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

export interface KnownMachine {
  readonly name: string;
  /** looked for in the adapter's name, vendor and architecture */
  readonly matches: RegExp;
  readonly machine: Machine;
  /** what its driver tells: widths of subgroups (least, most), bytes of one binding and of a workgroup's memory */
  readonly subgroups: readonly [number, number];
  readonly maxBinding: number;
  readonly maxWorkgroupMemory: number;
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
  },
  {
    name: 'rtx-4090',
    matches: /rtx 4090/i,
    machine: { ...discrete, multiprocessors: 128, cycles: 2.5e6, bytes: 9e8 },
    subgroups: [32, 32],
    maxBinding: 4 * GIB - 4,
    maxWorkgroupMemory: 48 * 1024,
  },
  {
    name: 'navi31',
    matches: /navi31|7900 xt|gfx1100/i,
    machine: { ...discrete, multiprocessors: 96, lanes: 64, cycles: 2.3e6, bytes: 8e8 },
    subgroups: [32, 64],
    maxBinding: 4 * GIB - 4,
    maxWorkgroupMemory: 64 * 1024,
  },
  {
    name: 'apple-m2',
    matches: /apple m2|apple.*common-3|metal-3/i,
    machine: { ...discrete, multiprocessors: 10, cycles: 1.4e6, bytes: 9e7, dispatch: 0.01 },
    subgroups: [4, 64],
    maxBinding: 4 * GIB - 4,
    maxWorkgroupMemory: 32 * 1024,
  },
  {
    name: 'xe',
    matches: /iris.*xe|gen-12lp|xe-lpg/i,
    machine: { ...discrete, multiprocessors: 12, lanes: 64, cycles: 1.3e6, bytes: 5e7, dispatch: 0.01 },
    subgroups: [8, 32],
    maxBinding: GIB,
    maxWorkgroupMemory: 32 * 1024,
  },
  {
    // A rasteriser on two cores of 8 lanes: what is chosen for it goes by estimates of its own.
    name: 'lavapipe',
    matches: /llvmpipe|lavapipe/i,
    machine: { multiprocessors: 2, lanes: 8, threads: 8, resident: 8, cycles: 2.65e6, bytes: 7.1e6, dispatch: 0.02 },
    subgroups: [8, 8],
    maxBinding: 128 * 2 ** 20,
    maxWorkgroupMemory: 32 * 1024,
  },
];

/** What is known of an adapter of this name; nothing where it is not in the table. */
export const knownMachine = (name: string): KnownMachine | undefined =>
  machines.find(({ matches }) => matches.test(name));

export const machineNamed = (name: string): Machine | undefined => knownMachine(name)?.machine;

export const machineOf = ({ machine }: { readonly machine?: Machine }): Machine => machine ?? ANY;
