/** The frameworks that can be measured beside frostline, and how to get them. */
import { loaderFrom, type Peer } from './peer.ts';

export const peerNames = ['onnxruntime-webgpu', 'tfjs-webgpu', 'jax-js', 'onnxruntime-cpu', 'torch-cpu'] as const;
export type PeerName = (typeof peerNames)[number];

export interface PeerEntry {
  readonly name: PeerName;
  /** on the same adapter as ours, or on the processor, for scale */
  readonly on: 'adapter' | 'processor';
  /** npm packages that it is made of; none where it is no npm package */
  readonly packages: readonly string[];
  /** how to get it where it is missing */
  readonly install: string;
}

const npmInstall = (packages: readonly string[]) =>
  `npm install --prefix DIR --ignore-scripts ${packages.join(' ')}, then --peers DIR`;

function npmPeer(name: PeerName, on: PeerEntry['on'], packages: readonly string[]): PeerEntry {
  return { name, on, packages, install: npmInstall(packages) };
}

export const OURS = 'frostline';

/** All that can be measured beside frostline, in the order of the table. */
export const peerEntries: readonly PeerEntry[] = [
  npmPeer('onnxruntime-webgpu', 'adapter', ['onnxruntime-node']),
  npmPeer('tfjs-webgpu', 'adapter', [
    '@tensorflow/tfjs-core',
    '@tensorflow/tfjs-backend-cpu',
    '@tensorflow/tfjs-backend-webgpu',
  ]),
  npmPeer('jax-js', 'adapter', ['@jax-js/jax']),
  npmPeer('onnxruntime-cpu', 'processor', ['onnxruntime-node']),
  { name: 'torch-cpu', on: 'processor', packages: [], install: 'install PyTorch for python3 (Debian: python3-torch)' },
];

/** Opens the peer of this name, in this process. */
export async function openPeer(name: string, root: string, adapter: string | undefined): Promise<Peer> {
  const load = loaderFrom(root);
  switch (name) {
    case OURS:
      return (await import('./frostline.ts')).openFrostline(adapter);
    case 'onnxruntime-webgpu':
      return (await import('./onnxruntime.ts')).openOnnxruntime(load, 'webgpu');
    case 'onnxruntime-cpu':
      return (await import('./onnxruntime.ts')).openOnnxruntime(load, 'cpu');
    case 'tfjs-webgpu':
      return (await import('./tfjs.ts')).openTfjs(load, adapter);
    case 'jax-js':
      return (await import('./jax.ts')).openJax(load, adapter);
    case 'torch-cpu':
      return (await import('./torch.ts')).openTorch();
  }
  throw new Error(`no peer '${name}'`);
}
