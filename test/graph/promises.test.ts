/** Operations that promise something and never ask for what it takes, or ask for what there is not: refused by name. */
import { expect, it } from 'vitest';
import { compile } from '../../src/graph/compile.ts';
import {
  apply,
  applyAll,
  type BackwardEmitter,
  type ForwardEmitter,
  type Operation,
} from '../../src/graph/operation.ts';
import { input, Parameter, type Tensor } from '../../src/graph/tensor.ts';
import { addAccumulate } from '../../src/kernels/add/add.ts';
import { fillConstant } from '../../src/kernels/fill/fill.ts';
import { add } from '../../src/operators/arithmetic/graph.ts';
import { relu } from '../../src/operators/relu/graph.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();

/** y = x, written by two passes. */
function copy(emit: ForwardEmitter, from: ReturnType<ForwardEmitter['value']>, to: typeof from): void {
  const count = emit.inputs[0].size;
  emit.run(fillConstant, { count, value: 0 }, { y: to.view() });
  emit.run(addAccumulate, { count }, { a: from.view(), y: to.view() });
}

/** y = x, with whatever else is said of it. */
const identity = (more: Partial<Operation> = {}): Operation => ({
  name: 'own',
  forward: (emit) => copy(emit, emit.value(emit.inputs[0]), emit.value(emit.output)),
  backward(emit) {
    const dx = emit.gradient(0);
    if (dx !== undefined) copy(emit, emit.outputGradient, dx);
  },
  ...more,
});

const make = (x: Tensor, more?: Partial<Operation>) => apply(identity(more), [x], x.shape, 'own');
const forwardOf = (...outputs: Tensor[]) => compile(gpu(), { outputs });
const backwardOf = (loss: Tensor, ...gradients: Tensor[]) =>
  compile(gpu(), { loss, upstream: input('v', loss.shape), gradients });

it('takes one that keeps what it promises, and one that promises nothing', async () => {
  const x = input('x', [5]);
  for (const graph of [await forwardOf(relu(make(x))), await backwardOf(make(relu(x)), x)]) graph.destroy();
});

it('names a map, an operand or a derivative that was left to it and forgotten', async () => {
  const [x, z] = [input('x', [5]), input('z', [5])];
  await expect(forwardOf(relu(make(x, { fuses: () => true })))).rejects.toThrow(
    'own: forward never asks for emit.after. A map was left to it, for its `fuses` says yes: apply epiloguesOf(emit)',
  );
  await expect(forwardOf(add(make(x, { combines: () => true }), z))).rejects.toThrow(
    'own: forward never asks for emit.combined. An operand was left to it',
  );
  await expect(backwardOf(make(relu(x), { fusesBefore: () => true }), x)).rejects.toThrow(
    'own: backward never asks for emit.before. The derivative of the map before it was left to it',
  );
});

it('names an output, its gradient or state that is forgotten', async () => {
  const x = input('x', [5]);
  const two = (more?: Partial<Operation>) => applyAll(identity(more), [x], [{ shape: [5] }, { shape: [5] }]);
  await expect(forwardOf(...two())).rejects.toThrow('own: forward never asks for emit.part(1). That output is read');
  const written = {
    forward(emit: ForwardEmitter) {
      identity().forward(emit);
      const second = emit.part(1);
      if (second !== undefined) copy(emit, emit.value(x), second);
    },
  };
  (await forwardOf(...two(written))).destroy();
  await expect(backwardOf(add(...(two(written) as [Tensor, Tensor])), x)).rejects.toThrow(
    'own: backward never asks for emit.partGradient(1). What comes to that output would be lost',
  );

  const mean = new Parameter('mean', [5], new Float32Array(5), { mask: 0 });
  const kept = apply(identity({ writes: [1] }), [x, mean], x.shape);
  await expect(backwardOf(kept, x)).rejects.toThrow('own: forward never asks for emit.state(1)');
  await expect(forwardOf(make(x, { forward() {} }))).rejects.toThrow(
    'own: forward never asks for emit.value(emit.output). Nothing writes its output',
  );
});

it('names what an operation asks for and what there is not', async () => {
  const [x, other] = [input('x', [5]), input('other', [5])];
  const forward = (wrong: (emit: ForwardEmitter) => unknown) => make(x, { forward: wrong as Operation['forward'] });
  const backward = (wrong: (emit: BackwardEmitter) => unknown) => make(x, { backward: wrong as Operation['forward'] });
  await expect(forwardOf(forward((emit) => emit.value(other)))).rejects.toThrow(
    'own: emit.value is asked of other, which is none of its tensors. Give one of x, own.',
  );
  await expect(forwardOf(forward((emit) => emit.value(undefined as never)))).rejects.toThrow('asked of undefined');
  await expect(forwardOf(forward((emit) => emit.needs(other)))).rejects.toThrow('own: emit.needs is asked of other');
  await expect(forwardOf(forward((emit) => emit.state(0)))).rejects.toThrow('Say `writes: [0]`');
  await expect(
    backwardOf(
      backward((emit) => emit.gradient(1)),
      x,
    ),
  ).rejects.toThrow('own: backward asks for the gradient of input 1. Give one of 0 to 0');
  for (const wrong of [-1, 0.5, Number.NaN, 'x']) {
    await expect(
      backwardOf(
        backward((emit) => emit.destination(wrong as number)),
        x,
      ),
    ).rejects.toThrow(`the gradient of input ${wrong}`);
  }
  for (const [ask, message] of [
    [(emit: ForwardEmitter) => emit.saved('kept', Number.NaN), 'own: emit.saved: bytes'],
    [(emit: ForwardEmitter) => emit.saved(undefined as never, 4), 'own: emit.saved: name'],
    [(emit: ForwardEmitter) => emit.constant('one', [1] as never), 'own: emit.constant: values'],
    [(emit: ForwardEmitter) => emit.prepared(x, 'turned', 20, undefined as never), 'own: emit.prepared: make'],
    [(emit: ForwardEmitter) => emit.run(undefined as never, {}, {}), 'own: emit.run: kernel'],
  ] as const) {
    await expect(forwardOf(forward(ask))).rejects.toThrow(message);
  }
  await expect(forwardOf(forward(async (emit) => identity().forward(emit)))).rejects.toThrow('own: forward is async');
  await expect(
    backwardOf(
      backward(async (emit) => identity().backward!(emit)),
      x,
    ),
  ).rejects.toThrow('own: backward is async');
});
