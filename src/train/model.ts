/** A network on its way through training: its parameters on a device and what masks them. */
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Mask, Parameter } from '../graph/tensor.ts';
import { parametersOf } from '../models/build.ts';
import { exportOnnx } from '../models/export-onnx.ts';
import { type FreezePoint, freezePoints, freezeThrough } from '../models/layers.ts';
import { type Network, rolesOf, stateOf } from '../models/network.ts';
import { DivergedError } from './diverged.ts';

export interface Model {
  readonly network: Network;
  readonly parameters: ReadonlyMap<string, Parameter>;
}

export function createModel(network: Network): Model {
  return { network, parameters: parametersOf(network) };
}

export interface MaskOptions {
  /** 'none', 'all', a layer's number or name: this layer and all before it stand still */
  readonly freeze: number | string;
  /** parameters of the new layer, and the factor on their rate */
  readonly newParameters: readonly string[];
  readonly newLayerFactor: number;
  /** names, numbers and ranges of the layers that alone are trained beside the new one; see `layersNamed` */
  readonly tuneOnly?: readonly string[];
  /** factor on the rate for each learnable layer that lies before the last; 1 unless given (ULMFiT's discriminative rates) */
  readonly layerDecay?: number;
  /** pattern=factor, the last that matches wins; see `parseMaskRules` */
  readonly rules?: readonly MaskRule[];
}

export interface MaskRule {
  readonly pattern: string;
  readonly factor: number;
}

/**
 * `conv1.weight=0`, `fc8.*=10`: patterns with * over the names of parameters, which are the file's initialiser names and
 * LAYER.weight / LAYER.bias.
 */
export function parseMaskRules(texts: readonly string[]): MaskRule[] {
  return texts.map((text) => {
    const at = text.lastIndexOf('=');
    const factor = Number(text.slice(at + 1));
    if (at < 1 || text.slice(at + 1).trim() === '' || !Number.isFinite(factor) || factor < 0) {
      throw new FrostlineError(`Mask "${text}": expected PATTERN=FACTOR with a factor of 0 or more, as in fc8.*=10.`);
    }
    return { pattern: text.slice(0, at).trim(), factor };
  });
}

/**
 * The learnable layers that a text names: `conv3`, `10`, or a range with both its ends, `conv3..conv5` or `10..14`.
 * @throws FrostlineError for a layer that is none, or a range whose end lies before its beginning
 */
export function layersNamed(network: Network, text: string): FreezePoint[] {
  const points = freezePoints(network);
  const at = (name: string) => {
    const found = points.findIndex((point) => String(point.number) === name || point.name === name);
    if (found >= 0) return found;
    throw new FrostlineError(
      `--tune-only ${text}: ${network.name} has no learnable layer '${name}'. ` +
        `Give one of ${points.map(({ number, name }) => `${number} (${name})`).join(', ')}, or a range such as ` +
        `${points[0].name}..${points.at(-1)!.name}.`,
    );
  };
  const [from, to = from, ...more] = text.split('..').map((part) => part.trim());
  const [first, last] = [at(from), at(to)];
  if (more.length > 0 || last < first) {
    throw new FrostlineError(`--tune-only ${text}: a range is FIRST..LAST, from the image to the classifier.`);
  }
  return points.slice(first, last + 1);
}

/**
 * Sets every parameter's learning-rate mask: 0 where frozen, or not among `tuneOnly` and not new; else 1, times
 * layerDecay^k for the k-th learnable layer before the last; a new layer's `newLayerFactor`. Then the rules, in order.
 * @throws FrostlineError for layers and patterns that are not there, and where nothing would be trained
 */
export function setMasks(model: Model, options: MaskOptions): void {
  const { freeze, newParameters, newLayerFactor, tuneOnly, layerDecay = 1, rules = [] } = options;
  const frozen = freezeThrough(model.network, freeze);
  if (tuneOnly !== undefined && frozen.size > 0) {
    throw new FrostlineError(`--tune-only says what is trained, --freeze ${freeze} what is not: give one of them.`);
  }
  const tuned = tuneOnly?.flatMap((text) => layersNamed(model.network, text)).flatMap(({ parameters }) => parameters);
  const points = freezePoints(model.network);
  const decay = new Map(
    points.flatMap(({ parameters }, i) => parameters.map((name) => [name, layerDecay ** (points.length - 1 - i)])),
  );
  // No gradient reaches state: it is not trained, and no mask is for it.
  const state = new Set(model.network.nodes.flatMap((node) => stateOf(model.network, node)));
  const layerNames = new Map<string, string[]>();
  for (const node of model.network.nodes) {
    for (const [role, name] of Object.entries(rolesOf(node))) {
      if (!state.has(name)) layerNames.set(name, [name, `${node.name}.${role}`]);
    }
  }
  const masks = new Map<string, Mask>();
  for (const name of model.parameters.keys()) {
    if (state.has(name)) continue;
    const isNew = newParameters.includes(name);
    const still = frozen.has(name) || (tuned !== undefined && !tuned.includes(name) && !isNew);
    masks.set(name, still ? 0 : isNew ? newLayerFactor : (decay.get(name) ?? 1));
  }
  for (const { pattern, factor } of rules) {
    const matches = wildcard(pattern);
    const hit = [...masks.keys()].filter((name) =>
      (layerNames.get(name) ?? [name]).some((alias) => matches.test(alias)),
    );
    if (hit.length === 0) {
      throw new FrostlineError(
        `Mask pattern "${pattern}" matches no parameter. There are ${[...layerNames.values()].map((names) => names.at(-1)).join(', ')}.`,
      );
    }
    for (const name of hit) masks.set(name, factor);
  }
  for (const [name, parameter] of model.parameters) parameter.mask = masks.get(name) ?? 0;
  if (![...model.parameters.values()].some((parameter) => parameter.trainable)) {
    throw new FrostlineError('Every parameter has the mask 0: nothing would be trained. Freeze less.');
  }
}

function wildcard(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${escaped}$`);
}

/**
 * The network with its present values, as an ONNX model.
 * @throws DivergedError when a trained value is not finite: no loss has told what the last update did
 */
export async function exportModel(gpu: Gpu, model: Model) {
  const values = new Map<string, Float32Array>();
  for (const [name, parameter] of model.parameters) {
    const data = await parameter.read(gpu);
    if (parameter.trainable && !data.every(Number.isFinite)) {
      throw new DivergedError(
        `${name} is not finite after the last step. Use a smaller learning rate or a smaller momentum.`,
      );
    }
    values.set(name, data);
  }
  return exportOnnx(model.network, values);
}

export function releaseModel(gpu: Gpu, model: Model): void {
  for (const parameter of model.parameters.values()) parameter.release(gpu);
}

/** The learnable layer a freeze point names: what the results call it. */
export function describeFreeze(network: Network, freeze: number | string) {
  const points = freezePoints(network);
  const frozen = freezeThrough(network, freeze);
  const at = points.findLastIndex((point) => point.parameters.some((name) => frozen.has(name)));
  // 'none', and 'all' where there is but one learnable layer.
  if (at < 0) return { number: null, name: 'none' };
  const { number, name } = points[at];
  return at === points.length - 2 ? { number, name, all: true } : { number, name };
}
