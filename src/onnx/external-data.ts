/** Weights in files of their own (onnx/docs/ExternalData.md). */
import fs from 'node:fs';
import path from 'node:path';
import { FrostlineError } from '../errors.ts';
import { type ByteSource, fileSource } from './byte-source.ts';

/**
 * The bytes that an `external_data` entry points at.
 *
 * @param entries keys `location` (relative to the model's folder), `offset`, `length`, as strings
 * @param folder the model's folder; without one external data is refused
 * @param expected length in bytes that shape and type ask for
 * @param tensor names the tensor in messages
 */
export function externalBytes(
  entries: ReadonlyMap<string, string>,
  folder: string | undefined,
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
  const file = insideFolder(folder, location, tensor);
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

/** A model must not make us read any other file of the machine: no absolute path, no '..', no link that leads out. */
function insideFolder(folder: string, location: string, tensor: string): string {
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
  const root = fs.realpathSync(folder);
  if (path.relative(root, real).split(path.sep)[0] === '..' || path.isAbsolute(path.relative(root, real))) {
    throw new FrostlineError(
      `${tensor}: its external data '${location}' is a link out of the model's folder, to ${real}, which is not allowed. ` +
        'Copy the file itself beside the model.',
    );
  }
  return real;
}

function wholeNumber(text: string, key: string, tensor: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new FrostlineError(`${tensor}: external data has ${key} '${text}', a whole number of bytes is expected.`);
  }
  return value;
}
