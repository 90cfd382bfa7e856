/** A network on its way through training: its parameters on a device and what masks them. */
import {
  checkArguments,
  INTEGER,
  isMap,
  listOf,
  NOT_NEGATIVE,
  OBJECT,
  SHARE,
  TEXT,
  withMembers,
} from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { GPU } from '../gpu/argument.ts';
import type { Gpu } from '../gpu/device.ts';
import { type Parameter, unchanged } from '../graph/tensor.ts';
import { parametersOf } from '../models/build.ts';
import { exportOnnx } from '../models/export-onnx.ts';
import { type FreezePoint, freezePoints, freezeThrough } from '../models/layers.ts';
import { NETWORK, type Network, rolesOf, stateOf } from '../models/network.ts';
import { checkOptions, type OptionNames } from '../options.ts';
import { DivergedError } from './diverged.ts';

/** A network with its parameters. */
export interface Model {
  readonly network: Network;
  readonly parameters: ReadonlyMap<string, Parameter>;
}

/** A model, as an argument. */
export const MODEL = withMembers('a model, of createModel', { network: NETWORK.is, parameters: isMap });

/** A network with its parameters on the host, ready to be compiled; their masks are all 1. */
export function createModel(network: Network): Model {
  checkArguments('createModel', { network: [network, NETWORK] });
  return { network, parameters: parametersOf(network) };
}

/** Which layers are trained. */
export interface LayerMasks {
  /** 'none', 'all', a layer's number or name: this layer and all before it stand still */
  readonly freeze: number | string;
  /** names, numbers and ranges of the layers that alone are trained beside the new one; see `layersNamed` */
  readonly tuneOnly?: readonly string[];
  /** the layers that alone are trained: likewise, patterns with *, and `new` for the new one */
  readonly exactly?: readonly string[];
  /** factor on the rate for each learnable layer that lies before the last; 1 unless given (ULMFiT's discriminative rates) */
  readonly layerDecay?: number;
}

/** What is frozen, and factors on the rates of the rest. */
export interface MaskOptions extends LayerMasks {
  /** parameters of the new layer, and the factor on their rate */
  readonly newParameters: readonly string[];
  readonly newLayerFactor: number;
  /** pattern=factor, the last that matches wins; see `parseMaskRules` */
  readonly rules?: readonly MaskRule[];
}

const MASK_OPTIONS: OptionNames<MaskOptions> = {
  freeze: true,
  tuneOnly: listOf(TEXT, 'a list of layers'),
  exactly: listOf(TEXT, 'a list of layers'),
  layerDecay: SHARE,
  newParameters: true,
  newLayerFactor: true,
  rules: listOf(
    withMembers('', { pattern: TEXT.is, factor: NOT_NEGATIVE.is }),
    'a list of { pattern, factor }, each factor a number of 0 or more',
  ),
};

/** A pattern of parameter names and the mask that they get. */
export interface MaskRule {
  readonly pattern: string;
  readonly factor: number;
}

/**
 * `conv1.weight=0`, `fc8.*=10`: patterns with * over the names of parameters, which are the file's initialiser names and
 * LAYER.weight / LAYER.bias.
 */
export function parseMaskRules(texts: readonly string[]): MaskRule[] {
  checkArguments('parseMaskRules', { rules: [texts, listOf(TEXT, 'a list of texts such as fc8.*=10')] });
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
 * The learnable layers that a text names: `conv3`, `10`, a range with both its ends, `conv3..conv5` or `10..14`, or a
 * pattern, `conv*`.
 * @throws FrostlineError for a layer that is none, or a range whose end lies before its beginning
 */
export function layersNamed(network: Network, text: string): FreezePoint[] {
  const points = freezePoints(network);
  const unknown = (name: string) =>
    new FrostlineError(
      `${text}: ${network.name} has no learnable layer '${name}'. ` +
        `Give one of ${points.map(({ number, name }) => `${number} (${name})`).join(', ')}, or a range such as ` +
        `${points[0].name}..${points.at(-1)!.name}.`,
    );
  const at = (name: string) => {
    const found = points.findIndex((point) => String(point.number) === name || point.name === name);
    if (found < 0) throw unknown(name);
    return found;
  };
  if (text.includes('*')) {
    const matching = points.filter(({ name }) => wildcard(text.trim()).test(name));
    if (matching.length === 0) throw unknown(text);
    return matching;
  }
  const [from, to = from, ...more] = text.split('..').map((part) => part.trim());
  const [first, last] = [at(from), at(to)];
  if (more.length > 0 || last < first) {
    throw new FrostlineError(`${text}: a range is FIRST..LAST, from the image to the classifier.`);
  }
  return points.slice(first, last + 1);
}

/**
 * The factor on every trained parameter's rate: 0 where frozen or not among those that alone are trained; else 1, times
 * layerDecay^k for the k-th learnable layer before the last; a new layer's `newLayerFactor`. Then the rules, in order.
 * @throws FrostlineError for layers and patterns that are not there, and where nothing would be trained
 */
export function masksOf(network: Network, options: MaskOptions): Map<string, number> {
  const { freeze, newParameters, newLayerFactor, tuneOnly, exactly, layerDecay = 1, rules = [] } = options;
  const frozen = freezeThrough(network, freeze);
  if (tuneOnly !== undefined && frozen.size > 0) {
    throw new FrostlineError(`--tune-only says what is trained, --freeze ${freeze} what is not: give one of them.`);
  }
  const namesOf = (text: string) =>
    text === 'new' ? newParameters : layersNamed(network, text).flatMap(({ parameters }) => parameters);
  const only =
    exactly !== undefined
      ? new Set(exactly.flatMap(namesOf))
      : tuneOnly && new Set([...tuneOnly.flatMap(namesOf), ...newParameters]);
  const points = freezePoints(network);
  const learnable = points.flatMap(({ parameters }) => parameters);
  const stranger = newParameters.find((name) => !learnable.includes(name));
  if (stranger !== undefined) {
    throw new FrostlineError(
      `newParameters: ${network.name} has no parameter '${stranger}' to train. It has ${learnable.join(', ')}.`,
    );
  }
  const masks = new Map<string, number>();
  for (const [i, { parameters }] of points.entries()) {
    for (const name of parameters) {
      const still = frozen.has(name) || only?.has(name) === false;
      const factor = newParameters.includes(name) ? newLayerFactor : layerDecay ** (points.length - 1 - i);
      masks.set(name, still ? 0 : factor);
    }
  }
  applyRules(network, masks, rules);
  if ([...masks.values()].every((factor) => factor === 0)) {
    throw new FrostlineError('Every parameter has the mask 0: nothing would be trained. Freeze less.');
  }
  return masks;
}

function applyRules(network: Network, masks: Map<string, number>, rules: readonly MaskRule[]): void {
  // No gradient reaches state: it is not trained, and no mask is for it.
  const state = new Set(network.nodes.flatMap((node) => stateOf(network, node)));
  const layerNames = new Map<string, string[]>();
  for (const node of network.nodes) {
    for (const [role, name] of Object.entries(rolesOf(node))) {
      if (!state.has(name)) layerNames.set(name, [name, `${node.name}.${role}`]);
    }
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
}

/** Sets every parameter's learning-rate mask, as `masksOf` has it. */
export function setMasks(model: Model, options: MaskOptions): void {
  checkArguments('setMasks', { model: [model, MODEL], options: [options, OBJECT] });
  const { freeze, newParameters, newLayerFactor } = options;
  checkArguments('setMasks', {
    freeze: [
      freeze,
      { is: (value) => TEXT.is(value) || INTEGER.is(value), words: "'none', 'all', a layer's number or name" },
    ],
    newParameters: [newParameters, listOf(TEXT, 'a list of names, empty where no layer is new')],
    newLayerFactor: [newLayerFactor, NOT_NEGATIVE],
  });
  checkOptions('setMasks', options, MASK_OPTIONS);
  const masks = masksOf(model.network, options);
  for (const [name, parameter] of model.parameters) parameter.mask = masks.get(name) ?? 0;
}

function wildcard(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${escaped}$`);
}

/**
 * The network with its present values, as an ONNX model.
 * @throws DivergedError when a trained value is not finite: no loss has told what the last update did
 * @throws FrostlineError where a step of training changes some of them before all are read
 */
export async function exportModel(gpu: Gpu, model: Model) {
  checkArguments('exportModel', { gpu: [gpu, GPU], model: [model, MODEL] });
  const values = new Map<string, Float32Array>();
  for (const parameter of model.parameters.values()) parameter.place(gpu);
  const check = unchanged('exportModel', model.parameters.values());
  for (const [name, parameter] of model.parameters) {
    const data = await parameter.read(gpu);
    if (parameter.trainable && !data.every(Number.isFinite)) {
      throw new DivergedError(
        `${name} is not finite after the last step. Use a smaller learning rate or a smaller momentum.`,
      );
    }
    values.set(name, data);
  }
  check();
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
