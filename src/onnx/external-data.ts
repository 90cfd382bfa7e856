/** Weights in files of their own (onnx/docs/ExternalData.md). */
import fs from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { FrostlineError } from '../errors.ts';
import { type ByteSource, fileSource } from './byte-source.ts';

/**
 * The bytes that an `external_data` entry points at.
 *
 * @param entries keys `location` (relative to the model's folder), `offset`, `length`, as strings
 * @param place the model's folder, without which external data is refused, and its file, where it is read from one
 * @param expected length in bytes that shape and type ask for
 * @param tensor names the tensor in messages
 */
export function externalBytes(
  entries: ReadonlyMap<string, string>,
  { folder, model }: { readonly folder?: string; readonly model: string },
  expected: number,
  tensor: string,
): { source: ByteSource; offset: number; length: number } {
  const location = entries.get('location');
  if (!location) throw new FrostlineError(`${tensor}: its external data names no location. Export the model again.`);
  if (folder === undefined) {
    throw new FrostlineError(
      `${tensor} lies in another file, '${location}', but no folder is known. Read the model from its file, or give its folder.`,
    );
  }
  const file = insideFolder(folder, model, location, tensor);
  const source = fileSource(file);
  const offset = wholeNumber(entries.get('offset') ?? '0', 'offset', tensor);
  const length = wholeNumber(entries.get('length') ?? String(expected), 'length', tensor);
  if (offset + length > source.length) {
    throw new FrostlineError(
      `${tensor}: ${file} has ${source.length} bytes, ${offset + length} are needed. Copy the file again, whole.`,
    );
  }
  return { source, offset, length };
}

/**
 * A model must not make us read any other file of the machine: no absolute path, no '..', no link that leads out of what
 * the user named. A cache that keeps the files of one model together under other names is part of it.
 */
function insideFolder(folder: string, model: string, location: string, tensor: string): string {
  const parts = location.split(/[\\/]/);
  if (path.isAbsolute(location) || path.win32.isAbsolute(location) || parts.includes('..')) {
    throw new FrostlineError(
      `${tensor}: its external data '${location}' lies outside the model's folder, which is not allowed. ` +
        'Export the model with its data beside it.',
    );
  }
  const file = path.join(folder, ...parts);
  if (!fs.existsSync(file)) {
    throw new FrostlineError(`${tensor}: its external data ${file} does not exist. Copy it beside the model.`);
  }
  const real = fs.realpathSync(file);
  if (!allowedRoots(folder, model, real).some((root) => isInside(root, real))) {
    throw new FrostlineError(
      `${tensor}: its external data '${location}' is a link out of the model's folder, to ${real}, which is not allowed. ` +
        'Copy the file itself beside the model.',
    );
  }
  return real;
}

const isInside = (root: string, file: string): boolean => {
  const below = path.relative(root, file);
  return below.split(path.sep)[0] !== '..' && !path.isAbsolute(below);
};

/**
 * Where the data of a model may lie: in its folder; where its own file lies, when it is a link as they are; in the store
 * of the Hugging Face hub, of git-annex or DVC, when the model's folder or their usual place belongs to it.
 */
function allowedRoots(folder: string, model: string, data: string): string[] {
  const root = fs.realpathSync(folder);
  const roots = [root];
  if (fs.existsSync(model)) roots.push(path.dirname(fs.realpathSync(model)));
  const snapshot = root.split(path.sep);
  const at = snapshot.lastIndexOf('snapshots');
  if (at > 0) roots.push(path.join(snapshot.slice(0, at).join(path.sep), 'blobs'));
  const hub =
    process.env['HF_HUB_CACHE'] ??
    path.join(process.env['HF_HOME'] ?? path.join(homedir(), '.cache', 'huggingface'), 'hub');
  // Only what the hub keeps for models, not whatever else lies below.
  if (/[\\/]models--[^\\/]+[\\/]blobs[\\/][0-9a-f]+$/.test(data) && fs.existsSync(hub))
    roots.push(fs.realpathSync(hub));
  for (let above = root; path.dirname(above) !== above; above = path.dirname(above)) {
    for (const store of ['.git/annex/objects', '.dvc/cache']) roots.push(path.join(above, store));
  }
  return roots;
}

function wholeNumber(text: string, key: string, tensor: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new FrostlineError(`${tensor}: external data has ${key} '${text}', a whole number of bytes is expected.`);
  }
  return value;
}
