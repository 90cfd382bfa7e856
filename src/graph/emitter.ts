/**
 * What operations see while their dispatches are made: a `ForwardEmitter` for one tensor at a time. What lasts from one
 * to the next is here: the program so far, and memory that operations have made for themselves, which backward finds again.
 */
import {
  checkArguments,
  describeValue,
  type Expectation,
  FUNCTION,
  OBJECT,
  POSITIVE,
  TEXT,
  withMembers,
} from '../arguments.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Storage } from '../gpu/storage.ts';
import { type KernelDispatch, withoutHalves } from '../kernels/kernel.ts';
import type { Analysis } from './analysis.ts';
import type { Copies } from './copies.ts';
import { type Combined, type ForwardEmitter, type Operation, type Run, refuse } from './operation.ts';
import type { Placement } from './placement.ts';
import type { Storages } from './storages.ts';
import type { Tensor } from './tensor.ts';

export class Emitters {
  /** the program so far, in order */
  readonly dispatches: KernelDispatch[] = [];
  private readonly gpu: Gpu;
  private readonly analysis: Analysis;
  private readonly placement: Placement;
  private readonly copies: Copies;
  private readonly storages: Storages;
  private readonly training: boolean;
  private readonly saved = new Map<string, Storage>();
  private readonly constants = new Map<string, Storage>();
  private readonly combined = new Map<Tensor, Combined>();

  constructor(
    gpu: Gpu,
    analysis: Analysis,
    placement: Placement,
    copies: Copies,
    storages: Storages,
    { training }: { readonly training: boolean },
  ) {
    this.gpu = gpu;
    this.analysis = analysis;
    this.placement = placement;
    this.copies = copies;
    this.storages = storages;
    this.training = training;
  }

  /** The operation's forward. */
  forward(tensor: Tensor): void {
    const { analysis, training } = this;
    const { operation } = tensor.source!;
    const asked: Asked = new Set();
    expectDone(operation, 'forward', operation.forward(this.of(tensor, asked)));
    const owed: [string, unknown][] = [
      ['value(emit.output)', operation.part === undefined],
      ['after', analysis.after(tensor)],
      ['combined', analysis.combination(tensor)],
      ...analysis.otherParts(tensor).map((part): [string, unknown] => [`part(${part.source!.operation.part})`, part]),
      ...(operation.writes ?? []).map((i): [string, unknown] => [`state(${i})`, training]),
    ];
    expectAsked(operation, 'forward', asked, owed);
  }

  /** For the operation that makes `tensor`. @param asked what it asks for, as far as somebody relies on it */
  of(tensor: Tensor, asked: Asked = new Set()): ForwardEmitter {
    const { gpu, analysis, copies, storages, training, saved, constants } = this;
    const { values, operands } = this.placement;
    const { operation, inputs } = tensor.source!;
    const run = this.runOf(tensor);
    const combined = () => this.combinedOf(tensor);
    // Names of tensors need not differ, so memory of an operation's own goes by its place on the tape.
    const keyOf = (name: string) => `${tensor.order} ${name}`;
    return {
      gpu,
      inputs,
      output: tensor,
      training,
      differentiated: analysis.isDifferentiated(tensor),
      ordinal: analysis.ordinal(tensor),
      step: storages.step,
      part(k) {
        asked.add(`part(${k})`);
        const part = analysis.part(tensor, k);
        return part && values.get(part);
      },
      get after() {
        asked.add('after');
        return analysis.after(tensor);
      },
      // Its operand is made where the operation first asks for it, not before.
      get combined() {
        asked.add('combined');
        return combined();
      },
      get before() {
        asked.add('before');
        return analysis.before(tensor);
      },
      state(i) {
        asked.add(`state(${i})`);
        if (!operation.writes?.includes(i)) {
          refuse(
            operation.name,
            `emit.state(${i}) asks for an input that it does not write`,
            `Say \`writes: [${i}]\`.`,
          );
        }
        return training ? values.get(inputs[i]) : undefined;
      },
      value(wanted) {
        if (wanted === tensor) asked.add('value(emit.output)');
        // Of what else lies in the graph nothing says that it is there by now.
        if (wanted !== tensor && !inputs.includes(wanted)) refuseStranger(tensor, wanted, 'value');
        return operands.get(wanted)!;
      },
      needs(source) {
        if (!inputs.includes(source)) refuseStranger(tensor, source, 'needs');
        return analysis.needed.has(tensor) && analysis.needed.has(source);
      },
      saved(name, bytes, precision) {
        checkArguments(`${operation.name}: emit.saved`, { name: [name, TEXT], bytes: [bytes, POSITIVE] });
        return once(saved, keyOf(name), () => storages.activation(`${tensor.name} ${name}`, bytes, precision));
      },
      constant(name, contents) {
        checkArguments(`${operation.name}: emit.constant`, { name: [name, TEXT], values: [contents, FLOATS] });
        return once(constants, keyOf(name), () => storages.pin(name, contents));
      },
      lasts: (source) => copies.lasts(source),
      prepared(source, name, bytes, make, precision = 'f32') {
        const what = { name: [name, TEXT], bytes: [bytes, POSITIVE], make: [make, FUNCTION] } as const;
        checkArguments(`${operation.name}: emit.prepared`, what);
        const layout = { key: keyOf(name), label: `${source.name}, ${name}`, bytes, precision, make };
        return copies.inLayout(source, layout, run);
      },
      run,
    };
  }

  private runOf(tensor: Tensor): Run {
    return (kernel, params, views, epilogues) => {
      checkArguments(`${tensor.source!.operation.name}: emit.run`, {
        kernel: [kernel, KERNEL],
        views: [views, OBJECT],
      });
      const unable = withoutHalves(kernel, views);
      if (unable !== undefined) {
        refuse(
          tensor.name,
          `half precision has no text of ${kernel.name} for its ${unable}, which ${tensor.source!.operation.name} needs`,
          'Use --precision f32.',
        );
      }
      this.dispatches.push(kernel.dispatch(this.gpu, params, views, undefined, epilogues));
    };
  }

  /** The combination that the operation applies, with its operand, which is made once. */
  private combinedOf(maker: Tensor): Combined | undefined {
    const combination = this.analysis.combination(maker);
    if (combination === undefined) return undefined;
    return once(this.combined, maker, () => {
      const { is, operand } = combination.tensor.source!.operation.combination!;
      return { combination: is, operand: operand(this.of(combination.tensor), combination.input) };
    });
  }
}

const KERNEL = withMembers('a kernel, as defineKernel makes one', { name: TEXT.is, dispatch: FUNCTION.is });
const FLOATS: Expectation = { is: (value) => value instanceof Float32Array, words: 'a Float32Array' };

/** What an operation has asked its emitter for, of all that somebody relies on: 'after', 'part(1)'. */
export type Asked = Set<string>;

/**
 * Refuses an operation that never asks for what it takes to keep a promise: what it leaves undone would be missing from the
 * results, without a word.
 * @param owed what it is to ask for, and whether it is
 */
export function expectAsked(
  { name }: Operation,
  pass: 'forward' | 'backward',
  asked: Asked,
  owed: readonly (readonly [string, unknown])[],
): void {
  for (const [what, isOwed] of owed) {
    if (isOwed === undefined || isOwed === false || asked.has(what)) continue;
    refuse(name, `${pass} never asks for emit.${what}`, REMEDIES[what.replace(/\(.*/, '')]);
  }
}

/** Refuses what goes on later: its dispatches would come after the program is made. */
export function expectDone({ name }: Operation, pass: 'forward' | 'backward', result: unknown): void {
  if (!(result instanceof Promise)) return;
  result.catch(() => undefined);
  refuse(name, `${pass} is async: what it runs later would be missing`, 'Compute what it waits for before `apply`.');
}

const REMEDIES: Readonly<Record<string, string>> = {
  value: 'Nothing writes its output: run a kernel that writes emit.value(emit.output).',
  after: 'A map was left to it, for its `fuses` says yes: apply epiloguesOf(emit), or leave `fuses` out.',
  combined: 'An operand was left to it, for its `combines` says yes: apply epiloguesOf(emit), or leave `combines` out.',
  before:
    'The derivative of the map before it was left to it, for its `fusesBefore` says yes: apply derivativeBefore(emit), or ' +
    'leave `fusesBefore` out.',
  part: 'That output is read: write it there, or make fewer outputs in applyAll.',
  partGradient: 'What comes to that output would be lost: add its part to the gradients of the inputs.',
  state: 'It says that it `writes` that input: write the new values there, or leave `writes` out.',
};

function refuseStranger(tensor: Tensor, wanted: Tensor | undefined, asks: 'value' | 'needs'): never {
  const { operation, inputs } = tensor.source!;
  const known = [...inputs, tensor].map(({ name }) => name).join(', ');
  const name = wanted?.name ?? describeValue(wanted);
  refuse(operation.name, `emit.${asks} is asked of ${name}, which is none of its tensors`, `Give one of ${known}.`);
}

/** What the map has under the key, made where it has nothing yet. */
function once<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
