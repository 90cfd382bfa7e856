/** Weights in files of their own (onnx/docs/ExternalData.md). */
import fs from 'node:fs';
import path from 'node:path';
import { FrostlineError } from '../errors.ts';
import { type ByteSource, fileSource } from './byte-source.ts';

/**
 * The bytes that an `external_data` entry points at.
 *
 * @param entries keys `location` (relative to the model's folder), `offset`, `length`, as strings
 * @param from the model as the user named it
 * @param expected length in bytes that shape and type ask for
 * @param tensor names the tensor in messages
 */
export function externalBytes(
  entries: ReadonlyMap<string, string>,
  from: ModelPlace,
  expected: number,
  tensor: string,
): { source: ByteSource; offset: number; length: number } {
  const location = entries.get('location');
  if (!location) throw new FrostlineError(`${tensor}: its external data names no location. Export the model again.`);
  const file = besideModel(from, location, tensor);
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

/** Where a model lies: `file` where it was read from one, which may be a link. */
export interface ModelPlace {
  readonly folder: string;
  readonly file?: string;
}

export function withoutFolder(entries: ReadonlyMap<string, string>, tensor: string): FrostlineError {
  return new FrostlineError(
    `${tensor} lies in another file, '${entries.get('location') ?? ''}', but no folder is known. ` +
      'Read the model from its file, or give its folder.',
  );
}

/**
 * A model must not make us read any other file of the machine: its data lie below the folder that the user named, and so
 * does what a link there leads to; or in a store where links of that folder lead by design:
 *
 * - beside the file that the model itself is a link to (Hugging Face's cache: snapshots/REVISION/model.onnx is a link to
 *   blobs/SUM, and so are its data);
 * - in the store of git-annex, DVC or Hugging Face that the folder is a part of.
 */
function besideModel({ folder, file: model }: ModelPlace, location: string, tensor: string): string {
  const parts = location.split(/[\\/]/);
  if (path.isAbsolute(location) || path.win32.isAbsolute(location) || parts.includes('..')) {
    throw new FrostlineError(
      `${tensor}: its external data '${location}' lies outside the model's folder, which is not allowed. ` +
        'Export the model with its data beside it.',
    );
  }
  const file = path.join(folder, ...parts);
  if (!fs.existsSync(file)) throw missing(file, parts, model, tensor);
  const real = fs.realpathSync(file);
  const root = fs.realpathSync(folder);
  const target = model === undefined ? [] : [path.dirname(fs.realpathSync(model))];
  if (![root, ...target, ...storesOf(root)].some((place) => isBelow(place, real))) {
    throw new FrostlineError(
      `${tensor}: its external data '${location}' is a link out of the model's folder, to ${real}, which is not allowed. ` +
        'Copy the file itself beside the model.',
    );
  }
  return real;
}

/**
 * Data lie beside the name that was given, as onnxruntime has it: of a model that is a link, those beside the file that it
 * leads to are another place's.
 */
function missing(file: string, parts: readonly string[], model: string | undefined, tensor: string): FrostlineError {
  const target = model === undefined ? undefined : fs.realpathSync(model);
  const there = target === undefined ? undefined : path.join(path.dirname(target), ...parts);
  const what = `${tensor}: its external data ${file} does not exist`;
  if (target !== undefined && there !== file && fs.existsSync(there!)) {
    return new FrostlineError(
      `${what}; ${model} is a link to ${target}, beside which ${there} lies. ` +
        `Give the model as ${target}, or put a link to its data beside the link.`,
    );
  }
  return new FrostlineError(`${what}. Copy it beside the model.`);
}

/** Stores of whole trees, relative to a folder at or above the model's. */
const stores = [path.join('.git', 'annex', 'objects'), path.join('.dvc', 'cache')];

/** The stores that a folder's links lead to, links resolved. */
function storesOf(folder: string): string[] {
  const found: string[] = [];
  for (let at = folder; ; at = path.dirname(at)) {
    found.push(...stores.map((store) => path.join(at, store)));
    // snapshots/REVISION/... beside blobs
    if (path.basename(at) === 'snapshots') found.push(path.join(path.dirname(at), 'blobs'));
    if (path.dirname(at) === at) break;
  }
  // A store that is a link itself would be anywhere.
  return found.filter((store) => fs.existsSync(store) && fs.realpathSync(store) === store);
}

function isBelow(folder: string, file: string): boolean {
  const relative = path.relative(folder, file);
  return relative.split(path.sep)[0] !== '..' && !path.isAbsolute(relative);
}

function wholeNumber(text: string, key: string, tensor: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new FrostlineError(`${tensor}: external data has ${key} '${text}', a whole number of bytes is expected.`);
  }
  return value;
}
