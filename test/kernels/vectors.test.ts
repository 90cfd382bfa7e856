/** Texts that read vectors of four: where they run, what they refuse, and that a kernel's description of them is looked at. */
import { describe, expect, it } from 'vitest';
import { plannedGpu } from '../../src/gpu/planned.ts';
import { type Precision, Storage } from '../../src/gpu/storage.ts';
import { contraction } from '../../src/kernels/contraction/contraction.ts';
import { layoutsOf } from '../../src/kernels/contraction/vectors.ts';
import { conv2dForward } from '../../src/kernels/conv2d/conv2d.ts';
import type { Conv2dShape } from '../../src/kernels/conv2d/shape.ts';
import { gemm } from '../../src/kernels/gemm/gemm.ts';
import { defineKernel, perElement } from '../../src/kernels/kernel.ts';

const [m, n, k] = [2048, 1024, 64];
const product = (change: { m?: number; k?: number } = {}) => {
  const shape = { m, n, k, ...change };
  const strides = { a: { row: shape.k, column: 1 }, b: { row: n, column: 1 } };
  return gemm({ ...shape, ...strides, cRow: n });
};

describe('the contraction by vectors', () => {
  const gpu = plannedGpu('h100');
  const of = (elements: number, precision: Precision = 'f32') =>
    new Storage('matrix', 4 * (elements + 8), { precision });
  const views = (offset: number, precision?: Precision) => {
    const a = of(m * k, precision).view(offset);
    const b = of(k * n, precision).view();
    return { a, b, bias: b, aux: b, c: of(m * n).view() };
  };
  const variantOf = (offset: number, precision?: Precision) =>
    contraction.dispatch(gpu, product(), views(offset, precision)).choice.variant;

  it('is what a GPU takes of plain matrices, where views begin at whole vectors', () => {
    expect(variantOf(0)).toBe('vectors');
    expect(variantOf(16)).toBe('vectors');
    expect(variantOf(4)).toBe('tiled');
    expect(variantOf(8)).toBe('tiled');
  });

  it('takes vectors of halves where they begin at eight bytes', () => {
    const halves = plannedGpu('h100', { precision: 'f16' });
    const dispatch = (offset: number) => contraction.dispatch(halves, product(), views(offset, 'f16'));
    // Offsets count four bytes a value, whatever it is stored as.
    expect(dispatch(16).choice.variant).toBe('vectors');
    expect(dispatch(16).source).toContain('a: array<vec4h>');
    expect(dispatch(8).choice.variant).toBe('tiled');
  });

  it('counts where a view begins in vectors', () => {
    const base = (offset: number) => {
      const { source, uniforms } = contraction.dispatch(gpu, product(), views(offset));
      const fields = source
        .slice(source.indexOf('struct Params {'))
        .split('}')[0]
        .match(/\w+(?=: [uif]32)/g)!;
      return new DataView(uniforms.buffer).getUint32(4 * fields.indexOf('a_base'), true);
    };
    expect(base(48)).toBe(3);
    expect(base(12)).toBe(3);
  });

  it('is refused by name where it is asked for and a view begins between', () => {
    const { choice } = contraction.dispatch(gpu, product(), views(0));
    expect(() => contraction.dispatch(gpu, product(), views(12), choice)).toThrow(
      /contraction vectors reads a in vectors of four, but its view begins at byte 12 and has \d+ bytes\. Give one .* 16 bytes/,
    );
  });

  it('is for matrices whose lines are whole vectors, and planes without a window', () => {
    expect(layoutsOf(product())).toEqual({ a: 'k', b: 'rows' });
    expect(layoutsOf(product({ m: 2047 }))).toEqual({ a: 'k', b: 'rows' });
    expect(layoutsOf(product({ k: 63 }))).toBeUndefined();
    const turned = { a: { row: 1, column: m }, b: { row: 1, column: k } };
    expect(layoutsOf(gemm({ m, n, k, ...turned, cRow: n }))).toEqual({ a: 'rows', b: 'k' });
    const pointwise: Conv2dShape = {
      ...{ batch: 2, channels: 8, height: 6, width: 6, filters: 12, groups: 1 },
      ...{ kernel: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] },
    };
    expect(layoutsOf(conv2dForward(pointwise, true))).toEqual({ a: 'k', b: 'rows' });
    for (const change of [
      { width: 5 },
      { pads: [0, 1, 0, 1] as const },
      { strides: [2, 2] as const },
      { channels: 6 },
    ]) {
      expect(layoutsOf(conv2dForward({ ...pointwise, ...change }, true)), JSON.stringify(change)).toBeUndefined();
    }
    expect(layoutsOf(conv2dForward({ ...pointwise, kernel: [3, 3] }, true))).toBeUndefined();
  });
});

it('refuses a variant that reads vectors of what it cannot', () => {
  const plain = perElement(() => 4, '4u', '  y[index] = x[index];');
  const define = (vectors: string[]) =>
    defineKernel({
      name: 'own/copy',
      params: {},
      bindings: { x: { access: 'read' }, labels: { access: 'read', type: 'u32' }, y: { access: 'write' } },
      cost: () => ({ flops: 0, bytes: 32 }),
      variants: [plain, { ...plain, name: 'wide', vectors }],
    });
  expect(() => define(['x'])).not.toThrow();
  expect(() => define(['z'])).toThrow(/own\/copy wide: vectors names z, .*Name some of x, labels, y/);
  expect(() => define(['labels'])).toThrow(/vectors names labels/);
  expect(() => define(['y'])).toThrow(/vectors names y/);
});
