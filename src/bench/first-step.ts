/**
 * How long one waits for the first training step: from the start of a process to the step's end, with nothing cached
 * (shaders that the driver compiled, choices of kernels) and again with what the first process left.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AdapterKind } from '../gpu/adapter.ts';
import { algorithmsText, type ForcedAlgorithms } from '../gpu/algorithms.ts';
import { OURS } from './peers/list.ts';
import { PeerProcess, type PeerProcessOptions } from './peers/process.ts';

export interface FirstStep {
  readonly network: string;
  readonly batch: number;
  /** milliseconds */
  readonly cold: number;
  readonly warm: number;
}

export interface FirstStepOptions extends Pick<PeerProcessOptions, 'module' | 'timeout'> {
  /** the adapter as for `Gpu.open`, and its kind */
  readonly adapter: string;
  readonly kind: AdapterKind;
  /** that the process is to use, too */
  readonly algorithms: ForcedAlgorithms;
}

export async function measureFirstStep(network: string, batch: number, options: FirstStepOptions): Promise<FirstStep> {
  const caches = await mkdtemp(join(tmpdir(), 'frostline-cold-'));
  const environment = {
    FROSTLINE_ALGORITHM: algorithmsText(options.algorithms),
    MESA_SHADER_CACHE_DIR: caches,
    // The embedded driver lies in frostline's own cache: unpacking it is no part of a first step.
    ...(options.kind !== 'embedded' && { FROSTLINE_CACHE: caches }),
  };
  const once = async () => {
    const start = performance.now();
    const child = new PeerProcess(OURS, { module: options.module, environment, timeout: options.timeout });
    try {
      await child.ask({ do: 'open', peer: OURS, root: '', adapter: options.adapter });
      await child.ask({ do: 'prepare', work: { network, batch, direction: 'training step', dropout: true } });
      return performance.now() - start;
    } finally {
      child.kill();
    }
  };
  try {
    return { network, batch, cold: await once(), warm: await once() };
  } finally {
    await rm(caches, { recursive: true, force: true });
  }
}
