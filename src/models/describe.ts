/** What is in an ONNX file, for people: where it comes from, what goes in and out, its layers and freeze points. */
import { readModel } from '../onnx/read.ts';
import { modelInputs } from './inputs.ts';
import { freezePoints } from './layers.ts';
import { loadNetwork } from './load.ts';
import { type Network, type Node, operatorOf, type Pair, type Preprocessing, rolesOf, stateOf } from './network.ts';
import { aboutNumbers } from './numbering.ts';
import { count, inferShapes } from './shapes.ts';

export interface ModelDescription {
  readonly file: string;
  readonly name: string;
  readonly producer: string;
  readonly irVersion: number;
  /** Version of ONNX's own operator set. */
  readonly opset: number;
  /** As the file declares them; a symbol or null where a size is open. */
  readonly inputs: readonly DescribedValue[];
  readonly outputs: readonly DescribedValue[];
  readonly layers: readonly DescribedLayer[];
  readonly parameterCount: number;
  /** The learnable layers but the last, the classifier. */
  readonly freezePoints: readonly { readonly number: number; readonly name: string }[];
  /** what a layer's number means in this file */
  readonly numbering: string;
  /** what training does about batch normalisation, where there is any */
  readonly batchNormalization?: string;
  readonly preprocessing?: Preprocessing;
  readonly labels?: readonly string[];
}

export interface DescribedValue {
  readonly name: string;
  readonly type?: string;
  readonly shape?: readonly (number | string | null)[];
}

export interface DescribedLayer {
  /** MATLAB's layer number; flatten and the like have none. */
  readonly number?: number;
  readonly name: string;
  readonly kind: Node['op']['kind'];
  /** '5 x 5, stride 1, pads 2, 2 groups' */
  readonly detail: string;
  /** Of one image's output, without the batch. */
  readonly shape: readonly number[];
  readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly parameterCount: number;
}

/** @throws FrostlineError as `loadNetwork` does: what cannot be imported cannot be described */
export async function describeModel(file: string, options: { inputSize?: Pair } = {}): Promise<ModelDescription> {
  const model = readModel(file);
  const network = await loadNetwork(file, options);
  const describe = ({ name, dataType, dims }: ReturnType<typeof modelInputs>[number]): DescribedValue => ({
    name,
    type: dataType,
    shape: dims?.map((dim) => dim ?? null),
  });
  const { layers, parameterCount } = describeLayers(network);
  return {
    file,
    name: network.name,
    producer: [model.producer, model.producerVersion].filter((part) => part !== '').join(' '),
    irVersion: model.irVersion,
    opset: model.opsets.get('')!,
    inputs: modelInputs(model).map(describe),
    outputs: model.graph.outputs.map(describe),
    layers,
    parameterCount,
    freezePoints: freezePoints(network)
      .slice(0, -1)
      .map(({ number, name }) => ({ number, name })),
    numbering: aboutNumbers(network),
    batchNormalization: aboutNormalization(network),
    preprocessing: network.preprocessing,
    labels: network.labels,
  };
}

/**
 * What training does about the network's batch normalisation, for people; nothing where it has none.
 *
 * @param byBatch of `FitSettings.batchStatistics`
 */
export function aboutNormalization(network: Network, byBatch = false): string | undefined {
  const layers = network.nodes.filter((node) => stateOf(network, node).length > 0);
  if (layers.length === 0) return undefined;
  const how = byBatch
    ? "where they are trained, each batch's statistics count, and the running ones follow; frozen ones keep the file's"
    : "the file's running statistics stay as they are (--batch-norm batch: each batch's own)";
  return `${layers.length} of batch: scale and shift are trained, or frozen with the layer before; ${how}`;
}

/** The layers of a network. A parameter that several layers share counts once in the sum. */
export function describeLayers(network: Network): Pick<ModelDescription, 'layers' | 'parameterCount'> {
  const shapes = inferShapes(network, 1);
  const layers = network.nodes.map((node): DescribedLayer => {
    const parameters = Object.values(rolesOf(node)).map((name) => ({
      name,
      shape: network.parameters.get(name)!.shape,
    }));
    return {
      number: node.number,
      name: node.name,
      kind: node.op.kind,
      detail: detailOf(network, node),
      shape: shapes.get(node.outputs[0])!.slice(1),
      parameters,
      parameterCount: parameters.reduce((sum, { shape }) => sum + count(shape), 0),
    };
  });
  const used = new Map(layers.flatMap(({ parameters }) => parameters.map(({ name, shape }) => [name, shape] as const)));
  return { layers, parameterCount: [...used.values()].reduce((sum, shape) => sum + count(shape), 0) };
}

function detailOf(network: Network, node: Node): string {
  const shapes = Object.entries(rolesOf(node)).map(([role, name]) => [role, network.parameters.get(name)!.shape]);
  return operatorOf(network, node).detail(node.op, Object.fromEntries(shapes)).join(', ');
}
