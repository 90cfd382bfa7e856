import path from 'node:path';
import { FrostlineError } from '../errors.ts';
import { readModel } from '../onnx/read.ts';
import { type ImportOptions, importOnnx } from './import-onnx.ts';
import type { Network } from './network.ts';
import { knownPreprocessing } from './zoo.ts';

/**
 * Reads an ONNX file as a network that is ready for images. Its preprocessing is the one in the options, else the
 * file's own metadata, else what is known of a zoo file with this sha256, else none. The image size is that in the
 * options, else the preprocessing's, else the file's: the zoo's AlexNet runs at 227, though its file says 224.
 *
 * @throws FrostlineError as `readModel` and `importOnnx` do, with the file's name
 */
export async function loadNetwork(file: string, options: ImportOptions = {}): Promise<Network> {
  const model = readModel(file);
  try {
    const name = options.name ?? path.basename(file, '.onnx');
    const known = options.preprocessing ? undefined : await knownPreprocessing(file);
    const preprocessing = options.preprocessing ?? known;
    const inputSize = options.inputSize ?? preprocessing?.size;
    const network = importOnnx(model, { ...options, name, inputSize, preprocessing });
    const [, height, width] = network.inputs[0].shape;
    if (network.preprocessing === undefined || network.inputs[0].shape.length !== 3) return network;
    return { ...network, preprocessing: { ...network.preprocessing, size: [height, width] } };
  } catch (error) {
    if (error instanceof FrostlineError) throw new FrostlineError(`${file}: ${error.message}`);
    throw error;
  }
}
