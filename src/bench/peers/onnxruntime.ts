/** onnxruntime-node: the network goes through an ONNX file. Inference only; its WebGPU provider has a Dawn of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportOnnx } from '../../models/export-onnx.ts';
import { writeModelFile } from '../../onnx/write.ts';
import { type Load, type Peer, Unsupported, versionOf } from './peer.ts';

interface OrtTensor {
  readonly data: Float32Array;
}

interface Session {
  readonly inputNames: readonly string[];
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

interface Ort {
  readonly InferenceSession: { create(path: string, options: object): Promise<Session> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OrtTensor;
}

export async function openOnnxruntime(load: Load, provider: 'webgpu' | 'cpu'): Promise<Peer> {
  const ort = load<Ort>('onnxruntime-node');
  const version = versionOf(load, 'onnxruntime-node');
  return {
    version,
    async prepare(work) {
      if (work.direction !== 'forward') throw new Unsupported('inference only');
      const folder = await mkdtemp(join(tmpdir(), 'frostline-peer-'));
      let session: Session;
      try {
        const path = join(folder, 'model.onnx');
        await writeModelFile(path, exportOnnx(work.network));
        session = await ort.InferenceSession.create(path, { executionProviders: [provider], logSeverityLevel: 3 });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
      const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', work.x(), work.inputShape) };
      let output: OrtTensor | undefined;
      return {
        async run() {
          [output] = Object.values(await session.run(feeds));
        },
        outputs: async () => new Map([['output', output!.data]]),
        dispose: () => session.release(),
      };
    },
  };
}
