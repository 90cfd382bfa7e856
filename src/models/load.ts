import { checkArguments, PATH } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { basename } from '../host.ts';
import { readModel } from '../onnx/read.ts';
import { checkOptions } from '../options.ts';
import { IMPORT_OPTIONS, type ImportOptions, importOnnx } from './import-onnx.ts';
import { imageShape, type Network } from './network.ts';
import { knownPreprocessing } from './zoo.ts';

/**
 * Reads an ONNX file as a network that is ready for images. Its preprocessing is the one in the options, else the
 * file's own metadata, else what is known of a zoo file with this sha256, else none. The image size is that in the
 * options, else the preprocessing's, else the file's: the zoo's AlexNet runs at 227, though its file says 224.
 * Outputs that cannot be computed are left out, where there are others (`Network.leftOut`).
 *
 * @throws FrostlineError as `readModel` and `importOnnx` do, with the file's name
 */
export async function loadNetwork(file: string, options: ImportOptions = {}): Promise<Network> {
  checkArguments('loadNetwork', { file: [file, PATH] });
  checkOptions('loadNetwork', options, IMPORT_OPTIONS);
  const model = readModel(file);
  try {
    const name = options.name ?? basename(file, '.onnx');
    const known = options.preprocessing ? undefined : await knownPreprocessing(file);
    const preprocessing = options.preprocessing ?? known;
    const inputSize = options.inputSize ?? preprocessing?.size;
    const network = importOnnx(model, { outputs: 'possible', ...options, name, inputSize, preprocessing });
    const image = imageShape(network.inputs[0]);
    if (network.preprocessing === undefined || image === undefined) return network;
    const [, height, width] = image;
    return { ...network, preprocessing: { ...network.preprocessing, size: [height, width] } };
  } catch (error) {
    if (error instanceof FrostlineError) throw new FrostlineError(`${file}: ${error.message}`);
    throw error;
  }
}
