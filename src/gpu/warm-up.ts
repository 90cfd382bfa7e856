/**
 * Warming up: the first dispatch of each pipeline, ahead of time and in parallel.
 *
 * lavapipe makes machine code of a pipeline when it is first dispatched, up to seconds for a large one, and does so on
 * its queue's only thread: the kernels of a first training step would be compiled one after another on one core. So every
 * pipeline is dispatched once beforehand with no workgroups (an indirect dispatch of 0: nothing is executed, no memory
 * touched). Where that turns out to be slow, further devices take part, each with a queue and a thread of its own; what
 * they compile reaches this device through Mesa's cache on disk. Other drivers compile when a pipeline is created,
 * in Dawn's threads, and need none of this.
 */
import { availableParallelism } from 'node:os';
import type { Gpu } from './device.ts';
import type { Pipeline } from './pipelines.ts';
import type { Dispatch } from './program.ts';

/** Milliseconds of a first dispatch that are worth further devices; code from Mesa's cache is there in a tenth. */
const SLOW = 150;
const MOST_HELPERS = 7;
const USAGE = { uniform: 0x40, storage: 0x80, indirect: 0x100 } as const;

/** Bytes of what stands in for a parameter struct: more than any kernel's. */
const UNIFORM_BYTES = 1024;

/** Whether Mesa keeps compiled code on disk, without which devices cannot help each other. */
const mesaCaches = () => !/^(1|true|yes|y)$/i.test(process.env['MESA_SHADER_CACHE_DISABLE'] ?? '');

/**
 * Dispatches the pipelines that this device has not run yet, each text once, the longest first.
 * @param slow milliseconds of a first dispatch after which further devices take part
 */
export async function warmUp(gpu: Gpu, dispatches: readonly Dispatch[], slow = SLOW): Promise<void> {
  if (gpu.kind !== 'software') return;
  const cold = new Map<string, Dispatch>();
  for (const dispatch of dispatches) if (!gpu.pipelines.warm.has(dispatch.source)) cold.set(dispatch.source, dispatch);
  for (const source of cold.keys()) gpu.pipelines.warm.add(source);
  // One alone gains nothing by being compiled a moment earlier.
  if (cold.size < 2) return;
  const queue = [...cold.values()].sort((a, b) => b.source.length - a.source.length);
  let helping: Promise<unknown> | undefined;
  const help = () => {
    const helpers = mesaCaches() ? Math.min(availableParallelism() - 1, queue.length, MOST_HELPERS) : 0;
    helping = Promise.all(Array.from({ length: helpers }, () => withSibling(gpu, work)));
    helping.catch(() => {}); // awaited below
  };
  const work = async (on: Gpu) => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      await pipelineOf(on, next);
      const late = setTimeout(() => helping ?? help(), slow);
      await touch(on, next).finally(() => clearTimeout(late));
    }
  };
  await gpu.idle(); // work submitted before is not to be taken for compilation
  await work(gpu);
  await helping;
}

async function withSibling(gpu: Gpu, work: (sibling: Gpu) => Promise<void>): Promise<void> {
  const sibling = await gpu.sibling();
  try {
    await work(sibling);
  } finally {
    sibling.destroy();
  }
}

function pipelineOf(gpu: Gpu, { label, source, bindings }: Dispatch): Promise<Pipeline> {
  return gpu.pipelines.get(label, source, ['uniform', ...bindings.map(({ access }) => access)]);
}

/** Dispatches a pipeline over no workgroups, bound to small buffers. */
async function touch(gpu: Gpu, dispatch: Dispatch): Promise<void> {
  const { pipeline, layout } = await pipelineOf(gpu, dispatch);
  const { device } = gpu;
  const { label, bindings } = dispatch;
  const indirect = device.createBuffer({ label: 'no workgroups', size: 12, usage: USAGE.indirect });
  const buffers = [
    device.createBuffer({ label, size: UNIFORM_BYTES, usage: USAGE.uniform }),
    ...bindings.map(() => device.createBuffer({ label, size: 16, usage: USAGE.storage })),
  ];
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ label, layout, entries }));
  pass.dispatchWorkgroupsIndirect(indirect, 0);
  pass.end();
  device.queue.submit([encoder.finish()]);
  await gpu.idle();
  for (const buffer of [indirect, ...buffers]) buffer.destroy();
}
