/**
 * The embedded driver: SwiftShader and a Vulkan loader, out of the npm package `@sparticuz/chromium`. It makes the
 * engine run on a bare machine with only Node: no root, no system Vulkan. Linux x64 only.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { constants, homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import { extract } from 'tar-stream';
import { FrostlineError } from '../errors.ts';
import { writeFilesAtomically } from '../files.ts';

const PACKAGE = '@sparticuz/chromium';
const FILES = ['libvk_swiftshader.so', 'libvulkan.so.1', 'vk_swiftshader_icd.json'];

/** glibc's RTLD_NODELETE: the library stays loaded after dlclose. Node has no name for it. */
const RTLD_NODELETE = 0x1000;

/** The folder for everything frostline may make again: unpacked drivers, decoded images, tuning results. */
export function cacheFolder(): string {
  return join(
    process.env['FROSTLINE_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'frostline'),
  );
}

/**
 * Unpacks the driver once into the cache and makes its loader resident.
 * @returns the path of the driver's manifest, to be set as VK_ICD_FILENAMES
 * @throws FrostlineError where the driver does not exist for this platform or its package is not installed
 */
export async function loadEmbeddedDriver(): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new FrostlineError(
      `The embedded driver exists for Linux x64 only, this is ${process.platform} ${process.arch}. ` +
        "Use --adapter auto: the system's own WebGPU backend serves there.",
    );
  }
  const { archive, version } = await findArchive();
  const folder = join(cacheFolder(), `swiftshader-${version}`);
  if (!FILES.every((file) => existsSync(join(folder, file)))) await unpack(archive, folder);
  makeResident(join(folder, 'libvulkan.so.1'));
  return join(folder, 'vk_swiftshader_icd.json');
}

async function findArchive(): Promise<{ archive: string; version: string }> {
  const require = createRequire(import.meta.url);
  let root: string;
  try {
    root = dirname(require.resolve(`${PACKAGE}/package.json`));
  } catch {
    // The package does not export its package.json: walk up from its entry point.
    try {
      root = dirname(require.resolve(PACKAGE));
    } catch {
      throw new FrostlineError(
        `The embedded driver's package ${PACKAGE} is not installed. Install with optional dependencies ` +
          '(npm install --include=optional), or install a Vulkan driver (Debian: mesa-vulkan-drivers).',
      );
    }
    while (!existsSync(join(root, 'package.json')) || !existsSync(join(root, 'bin'))) root = dirname(root);
  }
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  return { archive: join(root, 'bin', 'swiftshader.tar.br'), version };
}

async function unpack(archive: string, folder: string): Promise<void> {
  const tar = extract();
  tar.end(await promisify(brotliDecompress)(await readFile(archive)));
  const files: Record<string, Uint8Array> = {};
  for await (const entry of tar) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry) chunks.push(chunk as Uint8Array);
    const name = basename(entry.header.name);
    if (FILES.includes(name)) files[name] = Buffer.concat(chunks);
  }
  try {
    // Another process may do the same at the same time; its files are the same.
    await writeFilesAtomically(folder, files);
  } catch (error) {
    if (!(error instanceof FrostlineError)) throw error;
    throw new FrostlineError(`The embedded driver ${error.message} by FROSTLINE_CACHE.`);
  }
}

/**
 * Dawn opens `libvulkan.so.1` by its bare name. LD_LIBRARY_PATH is read only when a process starts, so instead the
 * loader is loaded here under that name: the dynamic linker then hands the resident one to Dawn. `process.dlopen` is
 * the only dlopen that Node offers; it reports that the library is no add-on, which is expected.
 */
function makeResident(library: string): void {
  try {
    process.dlopen({ exports: {} }, library, constants.dlopen.RTLD_NOW | RTLD_NODELETE);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (!message.includes('did not self-register')) {
      throw new FrostlineError(`The embedded driver's loader ${library} cannot be loaded: ${message}`);
    }
  }
}
