/** A network on its way through training: its parameters on a device and what masks them. */
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Mask, Parameter } from '../graph/tensor.ts';
import { parametersOf } from '../models/build.ts';
import { exportOnnx } from '../models/export-onnx.ts';
import { freezePoints, freezeThrough } from '../models/layers.ts';
import { type Network, rolesOf } from '../models/network.ts';
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

/** Sets every parameter's learning-rate mask: frozen 0, new `newLayerFactor`, else 1; then the rules, in order. */
export function setMasks(model: Model, options: MaskOptions): void {
  const { freeze, newParameters, newLayerFactor, rules = [] } = options;
  const frozen = freezeThrough(model.network, freeze);
  const layerNames = new Map<string, string[]>();
  for (const node of model.network.nodes) {
    for (const [role, name] of Object.entries(rolesOf(node))) layerNames.set(name, [name, `${node.name}.${role}`]);
  }
  const masks = new Map<string, Mask>();
  for (const name of model.parameters.keys()) {
    masks.set(name, frozen.has(name) ? 0 : newParameters.includes(name) ? newLayerFactor : 1);
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
  for (const [name, parameter] of model.parameters) parameter.mask = masks.get(name)!;
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
