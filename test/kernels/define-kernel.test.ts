/** What a kernel's description and its parameters must be, refused by name where a run would be wrong or never come. */
import { describe, expect, it } from 'vitest';
import { checkWgsl, defineKernel, exactly, FrostlineError, perElement } from '../../src/index.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();
const plain = perElement(() => 4, '4u', '  y[p.y_base + index] = x[p.x_base + index];');
const spec = (change: object = {}) => ({
  name: 'own/copy',
  params: { count: 'u32' },
  bindings: { x: { access: 'read' }, y: { access: 'write' } },
  cost: () => ({ flops: 0, bytes: 32 }),
  variants: [plain],
  ...change,
});
const bindings = (x: object) => ({ bindings: { x, y: { access: 'write' } } });
const variant = (change: object) => ({ variants: [{ ...plain, ...change }] });
const define = (change: object) => defineKernel(spec(change) as never);
const { configurations: _, ...without } = plain;

describe('defineKernel', () => {
  it('takes what is right', () => {
    expect(() => define({ ...variant({ supports: undefined }), applies: 'derivative' })).not.toThrow();
    expect(() => define({ variants: [plain, { ...plain, name: 'other' }] })).not.toThrow();
  });

  it.each([
    ['two variants of a name', { variants: [plain, plain] }, "two variants are called 'plain', of which the second"],
    ['another key of it', { suports: () => true }, "own/copy has no option 'suports'. It has name, params,"],
    ['another key of a variant', variant({ suports: () => false }), "own/copy plain has no option 'suports'"],
    ['another key of a binding', bindings({ access: 'read', tpye: 'u32' }), "binding x has no option 'tpye'"],
    ['another type of a binding', bindings({ access: 'read', type: 'i32' }), "type is 'i32'. Give 'f32' or 'u32' or"],
    ['another access', bindings({ access: 'raed' }), "binding x: access is 'raed'. Give 'read' or 'write'"],
    ['half: false', bindings({ access: 'read', half: false }), 'half is false. Give true'],
    ['another type of a parameter', { params: { count: 'u16' } }, "params is Object. Give types by name: 'u32'"],
    ['what there is not to apply', { applies: 'epilog' }, "applies is 'epilog'. Give 'epilogue' or 'derivative'"],
    ['an epilogue without its operand', { applies: 'epilogue' }, 'which reads the binding aux and the parameter relu'],
    ['no configurations', { variants: [without] }, 'own/copy plain: configurations is undefined. Give a list'],
    ['a list of no configurations', variant({ configurations: [] }), 'configurations is Array of length 0'],
    [
      'a configuration of no number',
      variant({ configurations: [{ tile: '8' }] }),
      'configurations is Array of length 1',
    ],
    ['no name', { name: '' }, "defineKernel: the name is ''. Give a text of one line, not empty"],
    ['a name of two lines', { name: 'own\ncopy' }, 'Give a text of one line'],
    ['no name of a variant', variant({ name: '' }), "own/copy: variant 0: name is ''"],
    ['a base that is a parameter', { params: { y_base: 'u32' } }, 'parameter y_base has a name that the text has for'],
    [
      'a parameter of no identifier',
      { params: { 'y base': 'u32' } },
      "its name is 'y base'. Give an identifier of WGSL",
    ],
    ['a parameter of a reserved form', { params: { __count: 'u32' } }, "its name is '__count'. Give an identifier"],
    [
      'a binding called as the parameters',
      { bindings: { p: { access: 'write' } } },
      'binding p has a name that the text',
    ],
    ['halves of what stores none', variant({ halves: ['x'] }), 'halves names x, which is no binding with half: true'],
  ])('refuses %s', (_, change, refusal) => {
    expect(() => define(change)).toThrow(refusal);
    expect(() => define(change)).toThrow(FrostlineError);
  });
});

describe('parameters', () => {
  const typed = defineKernel({
    ...(spec() as object as { bindings: { y: { access: 'write' } }; cost: () => { flops: number; bytes: number } }),
    name: 'own/typed',
    params: { u: 'u32', i: 'i32', f: 'f32' },
    bindings: { y: { access: 'write' } },
    variants: [plain],
  });
  const storage = () => gpu().storage('y', 16);
  const dispatch = (change: object) =>
    typed.dispatch(gpu(), { u: 0, i: 0, f: 0, ...change }, { y: storage().view() }).uniforms;

  it('have the whole range of their types', () => {
    for (const change of [{ u: 2 ** 32 - 1, i: -(2 ** 31), f: Number.NEGATIVE_INFINITY }, { i: 2 ** 31 - 1 }]) {
      const view = new DataView((dispatch(change) as Uint8Array<ArrayBuffer>).buffer);
      const found = { u: view.getUint32(0, true), i: view.getInt32(4, true), f: view.getFloat32(8, true) };
      expect(found).toMatchObject(change);
    }
  });

  it.each([
    [{ u: -1 }, 'own/typed: parameter u is -1. Give a whole number from 0 to 4294967295.'],
    [{ u: 2 ** 32 }, 'parameter u is 4294967296'],
    [{ u: 0.5 }, 'parameter u is 0.5'],
    [{ u: undefined }, 'parameter u is undefined'],
    [{ i: 2 ** 31 }, 'parameter i is 2147483648. Give a whole number from -2147483648 to 2147483647.'],
    [{ i: -(2 ** 31) - 1 }, 'parameter i is -2147483649'],
    [{ f: Number.NaN }, 'parameter f is NaN. Give a number that is not NaN.'],
  ])('refuse %j', (change, refusal) => {
    expect(() => dispatch(change)).toThrow(refusal);
    expect(() => dispatch(change)).toThrow(FrostlineError);
  });

  it('of anybody’s WGSL likewise', async () => {
    const check = {
      code: `
        struct P { count: u32 }
        @group(0) @binding(0) var<uniform> p: P;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(1) fn main() { y[0] = f32(p.count); }`,
      bindings: {
        p: { access: 'uniform', fields: { count: 'u32' } },
        y: { access: 'write', length: 1 },
      },
      params: { count: -1 },
      workgroups: [1],
      reference: () => ({ y: exactly([0]) }),
    } as const;
    await expect(checkWgsl(check)).rejects.toThrow('checkWgsl: parameter count is -1. Give a whole number from 0');
  });
});
