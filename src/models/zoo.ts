/** Published weights: what there is, fetching and checking it, and finding a model by name. */
import { closest, distance } from 'fastest-levenshtein';
import { z } from 'zod';
import { FrostlineError } from '../errors.ts';
import { checkWritable, makeFolder } from '../files.ts';
import {
  basename,
  createHash,
  existsSync,
  fileURLToPath,
  join,
  open,
  readdirSync,
  readFileSync,
  rename,
  resolve,
  rmSync,
  stat,
  statSync,
} from '../host.ts';
import { forEachChunk, reading } from '../read-files.ts';
import type { Preprocessing } from './network.ts';
import { supportedOperators } from './onnx-operators.ts';
import { preprocessingPreset, presets } from './preprocessing.ts';

/** The package's own `weights/`: the manifest and the model that ships. */
const shippedFolder = fileURLToPath(new URL('../../weights', import.meta.url));

/** Where pulled weights go unless told otherwise: `weights` in the current folder. */
export const defaultFolder = 'weights';

const entrySchema = z.strictObject({
  name: z.string(),
  /** Name of the file on disk. */
  file: z.string(),
  bytes: z.number().int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  opset: z.number().int(),
  /** Operators of its nodes; what of them cannot be run is looked up. */
  operators: z.array(z.string()).min(1),
  preprocessing: z.enum(Object.keys(presets) as [string, ...string[]]),
  /** In order of preference; the sum decides, not the address. */
  addresses: z.array(z.url()).min(1),
});

export type WeightsEntry = z.infer<typeof entrySchema>;

export interface ListedWeights extends WeightsEntry {
  /** Path of the file when it is there at its full size; its sum is not computed. */
  readonly path?: string;
  /** Operators that keep frostline from running it, where there are any. */
  readonly unsupported?: readonly string[];
}

export interface Progress {
  readonly received: number;
  readonly total: number;
  readonly address: string;
}

export interface PullOptions {
  readonly folder?: string;
  readonly onProgress?: (progress: Progress) => void;
  /** In place of the manifest's. */
  readonly addresses?: readonly string[];
  /** In place of the package's own manifest. */
  readonly manifest?: readonly WeightsEntry[];
  /** Seconds without a byte after which an address is given up (default 30). */
  readonly patience?: number;
}

export interface Verification {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  /** The zoo's file with this sum, if there is one. */
  readonly entry?: WeightsEntry;
  /** The name of the model of the package itself whose bytes these are. */
  readonly shipped?: string;
}

let shipped: readonly WeightsEntry[] | undefined;

/** The files that the package knows. */
export function manifest(): readonly WeightsEntry[] {
  if (shipped === undefined) {
    const text = readFileSync(join(shippedFolder, 'manifest.json'), 'utf8');
    shipped = z.strictObject({ files: z.array(entrySchema) }).parse(JSON.parse(text)).files;
  }
  return shipped;
}

/** All known files, with their paths where they are already there. */
export function listWeights(folder = defaultFolder, files = manifest()): ListedWeights[] {
  return files.map((entry) => {
    const file = join(folder, entry.file);
    const unsupported = entry.operators.filter((operator) => !supportedOperators.includes(operator));
    return {
      ...entry,
      ...(sizeOf(file) === entry.bytes && { path: file }),
      ...(unsupported.length > 0 && { unsupported }),
    };
  });
}

/** Bytes of a file; nothing where it is not there, or not to be seen. */
function sizeOf(file: string): number | undefined {
  try {
    return statSync(file).size;
  } catch {
    return undefined;
  }
}

/** The names of the models in the package's own `weights/`. */
const shippedModels = () =>
  readdirSync(shippedFolder)
    .filter((file) => file.endsWith('.onnx'))
    .map((file) => basename(file, '.onnx'));

/** Size and sha256 of a file, and which of the zoo's files or the package's own models it is. Throws FrostlineError when it cannot be read. */
export async function verifyWeights(file: string): Promise<Verification> {
  const found = await reading(file, () => stat(file));
  if (!found.isFile()) throw new FrostlineError(`${file} is no file. Give the path of an ONNX file.`);
  const bytes = found.size;
  const sha256 = await sha256Of(file);
  const entry = manifest().find((known) => known.sha256 === sha256);
  if (entry !== undefined) return { file, bytes, sha256, entry };
  for (const name of shippedModels()) {
    const own = join(shippedFolder, `${name}.onnx`);
    if (statSync(own).size === bytes && (await sha256Of(own)) === sha256) return { file, bytes, sha256, shipped: name };
  }
  return { file, bytes, sha256 };
}

/** How a zoo file wants its images, known by its sha256; undefined for any other file. */
export async function knownPreprocessing(file: string): Promise<Preprocessing | undefined> {
  const bytes = sizeOf(file);
  // A sum over 600 MB takes seconds: only files of a known size are worth it.
  if (!manifest().some((entry) => entry.bytes === bytes)) return undefined;
  const { entry } = await verifyWeights(file);
  return entry && preprocessingPreset(entry.preprocessing);
}

/**
 * The file of a model: a path, the name of a model that ships, or the name of one in the manifest that was pulled.
 *
 * @throws FrostlineError when there is none, with the nearest known name or the command that pulls it
 */
export function resolveModel(nameOrPath: string, folder = defaultFolder): string {
  if (existsSync(nameOrPath)) return nameOrPath;
  const ours = join(shippedFolder, `${nameOrPath}.onnx`);
  if (basename(nameOrPath) === nameOrPath && existsSync(ours)) return ours;
  const known = listWeights(folder).find(({ name }) => name === nameOrPath);
  if (known?.path) return known.path;
  if (known) {
    throw new FrostlineError(
      `the weights of ${known.name} are not at ${join(folder, known.file)}. Fetch them with 'frostline weights pull ${known.name}'.`,
    );
  }
  throw new FrostlineError(`there is no file and no model called '${nameOrPath}'.${suggestion(nameOrPath)}`);
}

/**
 * Fetches a file of the zoo. It continues what an earlier try left in `FILE.part`, tries the addresses in order, and
 * gives the file its name only when its size and sha256 are right.
 *
 * @returns the file's path
 * @throws FrostlineError when no address gives the file: what to download by hand, and where to put it
 */
export async function pullWeights(name: string, options: PullOptions = {}): Promise<string> {
  const { folder = defaultFolder, onProgress = () => {}, patience = 30 } = options;
  const entry = (options.manifest ?? manifest()).find((known) => known.name === name);
  if (entry === undefined) throw new FrostlineError(`no weights are called '${name}'.${suggestion(name)}`);
  const target = join(folder, entry.file);
  await checkWritable(folder);
  const { size } = statSync(target, { throwIfNoEntry: false }) ?? {};
  if (size === entry.bytes && (await sha256Of(target)) === entry.sha256) return target;
  if (size !== undefined) {
    throw new FrostlineError(`${target} is there but is not the zoo's ${name}. Move it away, then pull again.`);
  }
  await makeFolder(folder);

  const failures: string[] = [];
  for (const address of options.addresses ?? entry.addresses) {
    try {
      await fetchWhole(entry, { address, part: `${target}.part`, patience, onProgress });
      await rename(`${target}.part`, target);
      return target;
    } catch (error) {
      if (isLocal(error)) throw unwritable(target, error);
      failures.push(`  ${address}: ${reason(error)}`);
    }
  }
  throw new FrostlineError(
    [
      `${name} could not be fetched:`,
      ...failures,
      `Download ${entry.file} by hand (${entry.bytes} bytes, sha256 ${entry.sha256}), e.g. from ${entry.addresses[0]},`,
      `and put it at ${resolve(target)}.`,
    ].join('\n'),
  );
}

/** One try: from where, into what, and how long it may say nothing. */
interface Try {
  readonly address: string;
  readonly part: string;
  readonly patience: number;
  readonly onProgress: (progress: Progress) => void;
}

/** Fills `part` from the address; throws, and leaves `part` only as far as it may be continued. */
async function fetchWhole(entry: WeightsEntry, attempt: Try): Promise<void> {
  const { part } = attempt;
  let start = statSync(part, { throwIfNoEntry: false })?.size ?? 0;
  if (start > entry.bytes) start = discard(part);
  const resumed = start > 0;
  if (start < entry.bytes) await fetchRest(entry, attempt, start);

  const size = statSync(part).size;
  if (size < entry.bytes) throw new Error(`the connection ended after ${size} of ${entry.bytes} bytes`);
  const sum = await sha256Of(part);
  if (sum === entry.sha256) return;
  discard(part);
  // What lay there from an earlier try may have been the wrong half: once more from the beginning.
  if (resumed) return fetchWhole(entry, attempt);
  throw new Error(`its sha256 is ${sum}, ${entry.sha256} is expected: it is another file`);
}

async function fetchRest(entry: WeightsEntry, attempt: Try, start: number): Promise<void> {
  const { address, part, patience, onProgress } = attempt;
  // fetch itself waits for five minutes.
  const stalled = new AbortController();
  const give = () => stalled.abort(new Error(`nothing came for ${patience} s`));
  const timer = setTimeout(give, 1000 * patience);
  try {
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    if (start > 0) headers['range'] = `bytes=${start}-`;
    const response = await fetch(address, { headers, signal: stalled.signal });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new Error(`HTTP ${response.status} ${response.statusText}`.trim());
    }
    // A server that does not continue sends the whole file.
    const continues = response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${start}-`);
    const from = continues ? start : 0;
    const length = response.headers.get('content-length');
    if (length !== null && from + Number(length) !== entry.bytes) {
      await response.body.cancel();
      throw new Error(`it offers ${from + Number(length)} bytes, ${entry.bytes} are expected: it is another file`);
    }
    await store(response.body as unknown as AsyncIterable<Uint8Array>, part, from, entry, (received) => {
      timer.refresh();
      onProgress({ received, total: entry.bytes, address });
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Appends what comes to `part`; throws, and removes it, where more comes than is expected. */
async function store(
  body: AsyncIterable<Uint8Array>,
  part: string,
  from: number,
  { bytes }: WeightsEntry,
  onReceived: (received: number) => void,
): Promise<void> {
  let received = from;
  const file = await open(part, from > 0 ? 'a' : 'w');
  try {
    onReceived(received);
    for await (const chunk of body) {
      received += chunk.length;
      if (received > bytes) break;
      await file.appendFile(chunk);
      onReceived(received);
    }
  } finally {
    await file.close();
  }
  if (received > bytes) {
    discard(part);
    throw new Error(`it sends more than the expected ${bytes} bytes: it is another file`);
  }
}

function discard(part: string): 0 {
  rmSync(part, { force: true });
  return 0;
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await forEachChunk(file, (chunk) => hash.update(chunk));
  return hash.digest('hex');
}

/** An error of the local disk, for which another address is no help. */
function isLocal(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS', 'EISDIR'].includes(
    (error as NodeJS.ErrnoException).code ?? '',
  );
}

function unwritable(target: string, error: unknown): FrostlineError {
  const { code, message } = error as NodeJS.ErrnoException;
  const why = code === 'ENOSPC' || code === 'EDQUOT' ? 'the disk is full' : message;
  return new FrostlineError(
    `${target} cannot be written: ${why}. What was fetched is kept; free space, then pull again.`,
  );
}

function reason(error: unknown): string {
  const { message, cause } = error as Error & { cause?: NodeJS.ErrnoException };
  return cause ? `${message} (${cause.code ?? cause.message})` : message;
}

function suggestion(name: string): string {
  const names = ['alexnet-small', ...manifest().map((entry) => entry.name)];
  const nearest = closest(name, names);
  const near = distance(name, nearest) <= Math.max(3, name.length / 3);
  return `${near ? ` Did you mean '${nearest}'?` : ''} 'frostline weights list' shows the names that are known.`;
}
