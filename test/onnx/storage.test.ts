import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readModel, readTensor } from '../../src/onnx/read.ts';
import { pythonWith, runPython } from '../support/python.ts';

const python = pythonWith('onnx', 'numpy');

/** Every storage form of a tensor, written by the onnx package; the values beside them as JSON. */
const script = `
import json, os, sys
import numpy as np, onnx
from onnx import TensorProto as T, helper, numpy_helper, external_data_helper
folder = sys.argv[1]
random = np.random.default_rng(7)
f = random.normal(size=(5, 7, 3)).astype(np.float32)
tensors, expected = [], {}
def add(name, tensor, values):
    tensor.name = name
    tensors.append(tensor)
    expected[name] = {'dims': list(tensor.dims), 'values': [float(v) for v in np.asarray(values).ravel()]}

add('raw', numpy_helper.from_array(f), f)
add('packed', helper.make_tensor('', T.FLOAT, f.shape, f.ravel()), f)
add('scalar', numpy_helper.from_array(np.float32(2.5)), 2.5)
add('no_elements', numpy_helper.from_array(np.zeros((3, 0, 2), np.float32)), [])
d = random.normal(size=(4, 5))
add('double_raw', numpy_helper.from_array(d), d.astype(np.float32))
add('double_packed', helper.make_tensor('', T.DOUBLE, d.shape, d.ravel()), d.astype(np.float32))
h = np.array([0, -0.0, 1, -2.5, 65504, 6e-8, 3.1e-5, 6.1e-5, np.inf, -np.inf], np.float16)
add('half_raw', numpy_helper.from_array(h), h.astype(np.float32))
half = T(dims=h.shape, data_type=T.FLOAT16, int32_data=[int(b) for b in h.view(np.uint16)])
add('half_int32', half, h.astype(np.float32))
b = (f.ravel().view(np.uint32) >> 16).astype(np.uint16)
wide = (b.astype(np.uint32) << 16).view(np.float32)
add('bfloat_raw', T(dims=b.shape, data_type=T.BFLOAT16, raw_data=b.tobytes()), wide)
add('bfloat_int32', T(dims=b.shape, data_type=T.BFLOAT16, int32_data=[int(x) for x in b]), wide)
i = np.array([[0, 1, -1], [2**40, -(2**40), -7]], np.int64)
add('int64_raw', numpy_helper.from_array(i), i)
add('int64_packed', helper.make_tensor('', T.INT64, i.shape, i.ravel()), i)
for kind, type_ in ((np.int32, T.INT32), (np.int8, T.INT8), (np.int16, T.INT16), (np.uint8, T.UINT8), (np.uint16, T.UINT16)):
    x = random.integers(np.iinfo(kind).min, np.iinfo(kind).max, size=11, dtype=kind)
    name = np.dtype(kind).name
    add(name + '_raw', numpy_helper.from_array(x), x)
    add(name + '_packed', helper.make_tensor('', type_, x.shape, [int(v) for v in x]), x)
u = np.array([0, 5, 2**32 - 1], np.uint32)
add('uint32_packed', helper.make_tensor('', T.UINT32, u.shape, [int(v) for v in u]), u)
o = np.array([True, False, True])
add('bool_raw', numpy_helper.from_array(o), o)
add('bool_packed', helper.make_tensor('', T.BOOL, o.shape, [int(v) for v in o]), o)
for name, offset in (('outside', 0), ('outside_shifted', 4096)):
    tensor = numpy_helper.from_array(f * 2)
    raw = tensor.raw_data
    mode = 'wb' if offset == 0 else 'r+b'
    os.makedirs(os.path.join(folder, 'data'), exist_ok=True)
    with open(os.path.join(folder, 'data', 'weights.bin'), mode) as file:
        file.seek(offset)
        file.write(raw)
    external_data_helper.set_external_data(tensor, 'data/weights.bin', offset, len(raw))
    tensor.ClearField('raw_data')
    tensor.data_location = T.EXTERNAL
    add(name, tensor, f * 2)
value = helper.make_tensor_value_info
node = helper.make_node('Constant', [], ['c'], name='constant', value=numpy_helper.from_array(f), )
other = helper.make_node('LRN', ['x'], ['y'], size=5, alpha=9.9999997e-05, beta=.75, bias=1.)
ints = helper.make_node('Conv', ['y', 'raw'], ['z'], pads=[0, 0, 1, 1], auto_pad='NOTSET', domain='ai.onnx')
graph = helper.make_graph([node, other, ints], 'forms', [value('x', T.FLOAT, ['BatchSize', 3, None, 224]), value('no_shape', T.FLOAT, None)],
                          [value('z', T.FLOAT, [])], tensors)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 9), helper.make_opsetid('com.example', 2)], producer_name='someone')
model.ir_version = 4
helper.set_model_props(model, {'author': 'J. D.', 'labels': '["ä"]'})
with open(os.path.join(folder, 'forms.onnx'), 'wb') as file:
    file.write(model.SerializeToString())
with open(os.path.join(folder, 'tensor.pb'), 'wb') as file:
    file.write(numpy_helper.from_array(f, 'f').SerializeToString())
print(json.dumps(expected, allow_nan=True).replace('Infinity', '1e999'))
`;

describe.skipIf(!python)('storage forms written by the onnx package (needs python3 with onnx, numpy)', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'frostline-onnx-'));
  let expected: Record<string, { dims: number[]; values: number[] }>;
  beforeAll(() => {
    expected = JSON.parse(runPython(python!, script, folder));
  });
  afterAll(() => fs.rmSync(folder, { recursive: true }));

  it.each([
    ['the file', () => readModel(path.join(folder, 'forms.onnx'))],
    ['bytes', () => readModel(fs.readFileSync(path.join(folder, 'forms.onnx')), { folder })],
    [
      'bytes at an odd address',
      () => {
        const bytes = fs.readFileSync(path.join(folder, 'forms.onnx'));
        const shifted = new Uint8Array(bytes.length + 1);
        shifted.set(bytes, 1);
        return readModel(shifted.subarray(1), { folder });
      },
    ],
  ])('read equal from %s', (_, read) => {
    const { initializers } = read().graph;
    expect([...initializers.keys()]).toEqual(Object.keys(expected));
    for (const [name, tensor] of initializers) {
      expect(tensor.dims, name).toEqual(expected[name].dims);
      if (tensor.dataType === 'int64') expect(tensor.toIntegers(), name).toEqual(expected[name].values);
      else expect(tensor.toFloat32(), name).toEqual(Float32Array.from(expected[name].values));
    }
  });

  it('reads nodes, attributes, shapes, operator sets and metadata', () => {
    const model = readModel(path.join(folder, 'forms.onnx'));
    expect([model.irVersion, model.producer, [...model.opsets]]).toEqual([
      4,
      'someone',
      [
        ['', 9],
        ['com.example', 2],
      ],
    ]);
    expect([...model.metadata]).toEqual([
      ['author', 'J. D.'],
      ['labels', '["ä"]'],
    ]);
    const [constant, lrn, conv] = model.graph.nodes;
    expect([constant.name, constant.opType, constant.outputs]).toEqual(['constant', 'Constant', ['c']]);
    const value = constant.attributes.get('value');
    expect(value?.type === 'tensor' && value.value.toFloat32()).toEqual(Float32Array.from(expected['raw'].values));
    expect(lrn.attributes.get('alpha')).toEqual({ type: 'float', value: 1e-4 });
    expect(lrn.attributes.get('size')).toEqual({ type: 'int', value: 5 });
    expect(conv.attributes.get('pads')).toEqual({ type: 'ints', value: [0, 0, 1, 1] });
    expect(conv.attributes.get('auto_pad')).toEqual({ type: 'string', value: 'NOTSET' });
    expect(conv.domain).toBe('');
    expect(model.graph.inputs).toEqual([
      { name: 'x', dataType: 'float32', dims: ['BatchSize', 3, undefined, 224] },
      { name: 'no_shape', dataType: 'float32', dims: undefined },
    ]);
    expect(model.graph.outputs[0].dims).toEqual([]);
  });

  it('reads a TensorProto file', () => {
    const tensor = readTensor(path.join(folder, 'tensor.pb'));
    expect([tensor.name, tensor.dims]).toEqual(['f', [5, 7, 3]]);
    expect(tensor.toFloat32()).toEqual(Float32Array.from(expected['raw'].values));
  });
});
