/**
 * Pipelines by their final text. Compilations in flight are shared; layouts are explicit, since `layout: 'auto'` drops
 * bindings that a kernel happens not to use.
 */
export type BindingAccess = 'uniform' | 'read' | 'write';

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

const BUFFER_TYPE = { uniform: 'uniform', read: 'read-only-storage', write: 'storage' } as const;

export class PipelineCache {
  private readonly device: GPUDevice;
  private readonly pipelines = new Map<string, Promise<Pipeline>>();

  constructor(device: GPUDevice) {
    this.device = device;
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
    const info = await module.getCompilationInfo();
    const errors = info.messages.filter((message) => message.type === 'error');
    if (errors.length > 0) throw new Error(explain(label, source, errors));
    const failure = await scope;
    if (failure !== null) throw new Error(`Kernel ${label}: ${failure.message}`);
    try {
      const compute = { module, entryPoint: 'main' };
      return {
        pipeline: await this.device.createComputePipelineAsync({ label, layout: pipelineLayout, compute }),
        layout,
      };
    } catch (error) {
      throw new Error(`Kernel ${label}: ${error instanceof Error ? error.message : error}\n${source}`);
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
