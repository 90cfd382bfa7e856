/**
 * Pipelines by their final text. Compilations in flight are shared; layouts are explicit, since `layout: 'auto'` drops
 * bindings that a kernel happens not to use.
 */
import { FrostlineError } from '../errors.ts';

/** How a kernel touches a binding. */
export type BindingAccess = 'uniform' | 'read' | 'write';

/** A compute pipeline with its layout. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

const BUFFER_TYPE = { uniform: 'uniform', read: 'read-only-storage', write: 'storage' } as const;

/** Pipelines of a device by their text. */
export class PipelineCache {
  /** texts that were dispatched before, or are being warmed up (warm-up.ts) */
  readonly warm = new Set<string>();
  private readonly device: GPUDevice;
  private readonly wait: <T>(promise: Promise<T>) => Promise<T>;
  private readonly pipelines = new Map<string, Promise<Pipeline>>();

  /** @param wait see `Gpu.wait` */
  constructor(device: GPUDevice, wait: <T>(promise: Promise<T>) => Promise<T>) {
    this.device = device;
    this.wait = wait;
  }

  /** Compiles asynchronously, once a text. A compile error prints its lines and the text around them. */
  get(label: string, source: string, bindings: readonly BindingAccess[]): Promise<Pipeline> {
    const key = `${bindings.join()}\n${source}`;
    let pipeline = this.pipelines.get(key);
    if (pipeline === undefined) {
      pipeline = this.compile(label, source, bindings);
      this.pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  get size(): number {
    return this.pipelines.size;
  }

  private async compile(label: string, source: string, bindings: readonly BindingAccess[]): Promise<Pipeline> {
    this.device.pushErrorScope('validation');
    const module = this.device.createShaderModule({ label, code: source });
    const layout = this.device.createBindGroupLayout({
      label,
      entries: bindings.map((access, binding) => ({
        binding,
        visibility: 0x4,
        buffer: { type: BUFFER_TYPE[access] },
      })),
    });
    const pipelineLayout = this.device.createPipelineLayout({ label, bindGroupLayouts: [layout] });
    const scope = this.device.popErrorScope();
    const info = await this.wait(module.getCompilationInfo());
    const errors = info.messages.filter((message) => message.type === 'error');
    if (errors.length > 0) throw new FrostlineError(explain(label, source, errors));
    const failure = await this.wait(scope);
    if (failure !== null) throw new FrostlineError(`Kernel ${label}: ${failure.message}`);
    try {
      const compute = { module, entryPoint: 'main' };
      return {
        pipeline: await this.wait(this.device.createComputePipelineAsync({ label, layout: pipelineLayout, compute })),
        layout,
      };
    } catch (error) {
      if (error instanceof FrostlineError) throw error;
      throw new FrostlineError(`Kernel ${label}: ${error instanceof Error ? error.message : error}\n${source}`);
    }
  }
}

function explain(label: string, source: string, errors: readonly GPUCompilationMessage[]): string {
  const lines = source.split('\n');
  const reports = errors.map(({ lineNum, linePos, message }) => {
    const around = lines.slice(Math.max(0, lineNum - 3), lineNum + 2);
    return `[${lineNum}:${linePos}] ${message}\n${around.map((line, i) => `  ${Math.max(1, lineNum - 2) + i} | ${line}`).join('\n')}`;
  });
  return `Kernel ${label} does not compile:\n${reports.join('\n')}`;
}
