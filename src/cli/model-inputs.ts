/** The option --input of the commands that run a graph on tensors. */
import { existsSync } from 'node:fs';
import { FrostlineError } from '../errors.ts';
import type { GivenTensor } from '../models/infer.ts';
import type { OnnxModel } from '../onnx/model.ts';
import { nearestHint } from './nearest.ts';

/** Reads the tensors that --input names; a name may be left out where the model has one input. */
export async function readInputs(given: readonly string[], model: OnnxModel): Promise<Map<string, GivenTensor>> {
  const [{ modelInputs }, { readTensorFile }] = await Promise.all([
    import('../models/inputs.ts'),
    import('../models/tensor-file.ts'),
  ]);
  const needed = modelInputs(model).map(({ name }) => name);
  // Initialisers among the inputs have values and may be given others.
  const known = model.graph.inputs.map(({ name }) => name);
  const assigned = assignInputs(given, known, needed);
  return new Map(
    await Promise.all([...assigned].map(async ([name, file]) => [name, await readTensorFile(file)] as const)),
  );
}

/** Files by the input's name. A name may hold '=' itself, so that the known names decide. */
function assignInputs(
  given: readonly string[],
  known: readonly string[],
  needed: readonly string[],
): Map<string, string> {
  const assigned = new Map<string, string>();
  for (const text of given) {
    const name = known.find((candidate) => text.startsWith(`${candidate}=`));
    const [key, file] = name === undefined ? unnamed(text, needed) : [name, text.slice(name.length + 1)];
    if (assigned.has(key)) {
      throw new FrostlineError(`--input: '${key}' is given twice, ${assigned.get(key)} and ${file}; keep one of them`);
    }
    assigned.set(key, file);
  }
  return assigned;
}

function unnamed(text: string, names: readonly string[]): [string, string] {
  const at = text.indexOf('=');
  if (at >= 0 && !existsSync(text)) {
    const name = text.slice(0, at);
    throw new FrostlineError(`--input ${text}: the model has no input '${name}'; ${nearestHint(name, names)}`);
  }
  if (names.length !== 1) {
    throw new FrostlineError(
      `--input ${text}: the model has ${names.length} inputs, ${names.join(', ')}; say which, as in --input ${names[0]}=${text}`,
    );
  }
  return [names[0], text];
}

/** Messages about the model name its file. */
export function withFileName<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof FrostlineError) throw new FrostlineError(`${file}: ${error.message}`);
    throw error;
  }
}
