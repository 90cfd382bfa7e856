/** onnxruntime's CPU provider as an oracle, where it is installed: by its name, or at the path in FROSTLINE_ORT. */
import { createRequire } from 'node:module';

interface OrtTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

interface Session {
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

interface Ort {
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OrtTensor;
}

const ort = load();
export const hasOnnxruntime = ort !== undefined;

function load(): Ort | undefined {
  try {
    return createRequire(import.meta.url)(process.env['FROSTLINE_ORT'] ?? 'onnxruntime-node') as Ort;
  } catch {
    return undefined;
  }
}

/** The outputs of a model's bytes by name. */
export async function runOnnxruntime(
  model: Uint8Array,
  inputs: ReadonlyMap<string, { readonly dims: readonly number[]; readonly data: Float32Array }>,
): Promise<Map<string, OrtTensor>> {
  const options = { executionProviders: ['cpu'], intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 };
  const session = await ort!.InferenceSession.create(model, options);
  try {
    const feeds = [...inputs].map(([name, { dims, data }]) => [name, new ort!.Tensor('float32', data, dims)]);
    return new Map(Object.entries(await session.run(Object.fromEntries(feeds))));
  } finally {
    await session.release();
  }
}
