/**
 * onnxruntime's CPU provider, to compare with. It is an oracle, not a dependency: it is used where it is installed, from
 * the folder in FROSTLINE_ORT, else as the package onnxruntime-node beside frostline or in the project it is run from.
 */
import { FrostlineError } from '../errors.ts';
import { createRequire, join, mkdtemp, rm, tmpdir } from '../host.ts';
import type { OnnxModel } from '../onnx/model.ts';
import type { OnnxTensor } from '../onnx/tensor.ts';
import { writeModelFile } from '../onnx/write.ts';

export interface FloatTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

interface OrtTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
}

interface Session {
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

/** The part of onnxruntime-node that is used here. */
export interface Onnxruntime {
  readonly env: { readonly versions: { readonly node?: string; readonly common: string } };
  readonly InferenceSession: { create(path: string, options: object): Promise<Session> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OrtTensor;
}

/** @throws FrostlineError that says how to install it, where it is missing or does not load */
export function loadOnnxruntime(): Onnxruntime {
  const folder = process.env['FROSTLINE_ORT'];
  const places = folder === undefined ? [import.meta.url, join(process.cwd(), 'package.json')] : [import.meta.url];
  let reason = '';
  for (const place of places) {
    try {
      return createRequire(place)(folder ?? 'onnxruntime-node') as Onnxruntime;
    } catch (error) {
      reason = (error as Error).message.split('\n')[0];
    }
  }
  throw new FrostlineError(
    `onnxruntime cannot be loaded${folder === undefined ? '' : ` from FROSTLINE_ORT=${folder}`} (${reason}). ` +
      'Install it with "npm install --ignore-scripts onnxruntime-node" (its CPU binaries need no script), or set ' +
      'FROSTLINE_ORT to the folder of an onnxruntime-node that is installed elsewhere.',
  );
}

/** A model that is loaded there. */
export interface LoadedModel {
  /**
   * Its outputs by name.
   *
   * @throws FrostlineError when onnxruntime refuses the inputs, or an output is not float32
   */
  run(inputs: ReadonlyMap<string, OnnxTensor>): Promise<Map<string, FloatTensor>>;
  release(): Promise<void>;
}

/**
 * Loads a model there.
 *
 * @param model a file's path, or a model in memory, which goes through a temporary file
 * @throws FrostlineError when onnxruntime refuses it
 */
export async function openOnnxruntime(ort: Onnxruntime, model: string | OnnxModel): Promise<LoadedModel> {
  if (typeof model !== 'string') {
    const folder = await mkdtemp(join(tmpdir(), 'frostline-onnxruntime-'));
    try {
      const file = join(folder, 'model.onnx');
      await writeModelFile(file, model);
      return await openOnnxruntime(ort, file);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  const options = { executionProviders: ['cpu'], logSeverityLevel: 3 };
  const session = await accepted(ort.InferenceSession.create(model, options));
  return {
    async run(inputs) {
      const feeds = [...inputs].map(([name, tensor]) => [
        name,
        new ort.Tensor('float32', tensor.toFloat32(), tensor.dims),
      ]);
      const results = await accepted(session.run(Object.fromEntries(feeds)));
      return new Map(
        Object.entries(results).map(([name, { type, dims, data }]) => {
          if (type === 'float32') return [name, { dims, data: data as Float32Array }];
          throw new FrostlineError(`onnxruntime gives '${name}' as ${type}; only float32 can be compared.`);
        }),
      );
    },
    release: () => session.release(),
  };
}

async function accepted<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new FrostlineError(`onnxruntime refuses the model: ${(error as Error).message}`);
  }
}
