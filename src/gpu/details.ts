/** All that an opened device says about itself, as plain values. */
import type { AdapterKind } from './adapter.ts';
import type { Gpu } from './device.ts';

export interface AdapterDetails {
  readonly name: string;
  readonly kind: AdapterKind;
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  /** The driver's own description, as a rule with its version. */
  readonly driver: string;
  /** Fewest and most lanes of a subgroup; undefined where the adapter does not say. */
  readonly subgroupSizes?: readonly [number, number];
  readonly features: readonly string[];
  /** WebGPU's names and units. */
  readonly limits: Readonly<Record<string, number>>;
}

export function adapterDetails(gpu: Gpu): AdapterDetails {
  const { adapterInfo, features, limits } = gpu.device;
  const {
    vendor,
    architecture,
    device,
    description,
    subgroupMinSize: low = 0,
    subgroupMaxSize: high = 0,
  } = adapterInfo;
  const names: string[] = [];
  // The limits are getters of the prototype: Object.keys does not see them.
  for (const name in limits) names.push(name);
  return {
    name: gpu.name,
    kind: gpu.kind,
    vendor,
    architecture,
    device,
    driver: description,
    ...(low > 0 && { subgroupSizes: [low, high] as const }),
    features: [...features].sort(),
    limits: Object.fromEntries(names.map((name) => [name, limits[name as keyof GPUSupportedLimits] as number])),
  };
}
