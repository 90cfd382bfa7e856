/**
 * How many workgroups of a dispatch a multiprocessor holds at once, and in how many rounds a GPU so takes them all. Counted are
 * threads, workgroups and bytes of workgroup memory; not registers, of which WebGPU tells nothing and each driver's compiler
 * decides: a text that needs many runs in more rounds (`frostline kernels analyze` has AMD's registers). It explains a plan,
 * and no time and no choice goes by it.
 */
import { FrostlineError } from '../errors.ts';
import { type Held, type Machine, machines } from '../gpu/machine.ts';
import type { KernelDispatch } from '../kernels/kernel.ts';

export interface Occupancy {
  /** bytes of workgroup memory of one workgroup */
  readonly workgroupMemory: number;
  /** workgroups that a multiprocessor holds at once, at most */
  readonly held: number;
  /** rounds in which the multiprocessors take all of them: 1 where all run at once */
  readonly waves: number;
}

/** An adapter, as far as it is known what its multiprocessors hold. */
interface Holding {
  readonly name: string;
  readonly limits: { readonly maxWorkgroupMemory: number };
}

const SCALARS: Readonly<Record<string, number>> = { f: 4, u: 4, i: 4, h: 2, f32: 4, u32: 4, i32: 4, f16: 2 };

/** Bytes of a type of workgroup memory; vectors of three take the room of four. */
function bytesOf(type: string): number {
  const array = /^array<(.+),\s*(\d+)u?\s*,?\s*>$/.exec(type);
  if (array !== null) return bytesOf(array[1].trim()) * Number(array[2]);
  const atomic = /^atomic<(\w+)>$/.exec(type);
  if (atomic !== null) return bytesOf(atomic[1]);
  const vector = /^vec([234])(?:<(\w+)>|([fuih]))$/.exec(type);
  if (vector !== null) return (vector[1] === '2' ? 2 : 4) * SCALARS[vector[2] ?? vector[3]];
  if (Object.hasOwn(SCALARS, type)) return SCALARS[type];
  throw new FrostlineError(
    `workgroup memory of the type ${type} is not known. Known are scalars, vectors, atomics and arrays of them.`,
  );
}

/** Bytes of workgroup memory that a text declares. @throws FrostlineError for a type that it does not know */
export function workgroupMemoryOf(source: string): number {
  const bare = source.replace(/\/\/.*$/gm, '').replace(/\/\*[\s\S]*?\*\//g, '');
  const declared = bare.matchAll(/var<workgroup>\s+\w+\s*:\s*([^;]+);/g);
  return [...declared].reduce((sum, [, type]) => sum + bytesOf(type.trim()), 0);
}

/** Of a multiprocessor of an adapter; of an unknown one what the model goes by, and what one workgroup may have. */
function holdingOf({ name, limits }: Holding, machine: Machine): Held {
  const known = machines.find((one) => one.machine === machine || one.matches.test(name));
  return known?.holds ?? { threads: machine.resident, memory: limits.maxWorkgroupMemory };
}

export function occupancyOf(dispatch: KernelDispatch, adapter: Holding, machine: Machine): Occupancy {
  const { kernel, choice, workgroups, source } = dispatch;
  const size = kernel.variants.find(({ name }) => name === choice.variant)!.workgroupSize(choice.configuration);
  const holds = holdingOf(adapter, machine);
  const workgroupMemory = workgroupMemoryOf(source);
  const byMemory = workgroupMemory === 0 ? Number.POSITIVE_INFINITY : Math.floor(holds.memory / workgroupMemory);
  const most = Math.min(Math.floor(holds.threads / size), byMemory, holds.workgroups ?? Number.POSITIVE_INFINITY);
  // What it may run it can hold.
  const held = Math.max(1, most);
  return { workgroupMemory, held, waves: Math.max(1, Math.ceil(workgroups / (machine.multiprocessors * held))) };
}
