import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { FrostlineError } from '../../src/errors.ts';
import { importOnnx } from '../../src/models/import-onnx.ts';
import type { OnnxModel } from '../../src/onnx/model.ts';
import { readModel, readTensor } from '../../src/onnx/read.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { interpret } from './interpret.ts';

const root = '/usr/share/libonnx-testdata/data';

/** Must import and compute ONNX's own outputs; every other case is computed rightly or refused. */
const supported = [
  ...['basic_conv_with_padding', 'basic_conv_without_padding', 'conv_with_autopad_same'],
  ...['conv_with_strides_and_asymmetric_padding', 'conv_with_strides_no_padding', 'conv_with_strides_padding'],
  ...[
    'Conv2d',
    'Conv2d_depthwise_with_multiplier',
    'Conv2d_dilated',
    'Conv2d_groups',
    'Conv2d_padding',
    'Conv2d_no_bias',
  ],
  ...['maxpool_2d_ceil', 'maxpool_2d_default', 'maxpool_2d_dilations', 'maxpool_2d_pads', 'maxpool_2d_same_lower'],
  ...['maxpool_2d_same_upper', 'maxpool_2d_precomputed_pads', 'MaxPool2d_stride_padding_dilation'],
  ...[
    'averagepool_2d_ceil',
    'averagepool_2d_pads',
    'averagepool_2d_pads_count_include_pad',
    'averagepool_2d_same_lower',
  ],
  ...['averagepool_2d_same_upper', 'averagepool_2d_precomputed_pads_count_include_pad', 'globalaveragepool'],
  ...['gemm_default_no_bias', 'gemm_default_scalar_bias', 'gemm_default_vector_bias', 'gemm_alpha', 'gemm_beta'],
  ...['gemm_default_single_elem_vector_bias', 'gemm_transposeB', 'matmul_2d', 'Linear', 'Linear_no_bias'],
  ...[
    'lrn',
    'lrn_default',
    'relu',
    'ReLU',
    'softmax_example',
    'softmax_large_number',
    'Softmax',
    'add',
    'add_bcast',
    'identity',
  ],
  ...['dropout_default', 'dropout_default_ratio', 'dropout_default_old', 'flatten_axis1', 'flatten_default_axis'],
  ...[
    'reshape_negative_dim',
    'reshape_reordered_last_dims',
    'reshape_zero_dim',
    'unsqueeze_axis_1',
    'sub_bcast',
    'mul_bcast',
    'div_bcast',
  ],
];

/** The model with all inputs but the first as initialisers: weights and shapes are inputs in these files. */
function withConstants(model: OnnxModel, inputs: readonly OnnxTensor[]): OnnxModel {
  const { graph } = model;
  const initializers = new Map(graph.initializers);
  graph.inputs.slice(1).forEach(({ name }, i) => {
    const tensor = inputs[i + 1];
    if (tensor) initializers.set(name, new OnnxTensor(name, tensor.dims, tensor.dataType, () => tensor.data));
  });
  return { ...model, graph: { ...graph, initializers } };
}

describe.skipIf(!fs.existsSync(root))("ONNX's own operator tests (needs libonnx-testdata)", () => {
  const folders = ['node', 'pytorch-converted', 'pytorch-operator'].flatMap((group) =>
    fs.readdirSync(path.join(root, group)).map((name) => path.join(root, group, name)),
  );

  it('every supported operator computes the given output; all others are refused with a reason', () => {
    const right = new Set<string>();
    const refused = new Map<string, string>();
    for (const folder of folders) {
      // Sequences are no tensors; dropout in training mode is random.
      const name = path.basename(folder).replace('test_', '');
      const data = path.join(folder, 'test_data_set_0');
      if (
        !fs.existsSync(path.join(data, 'input_0.pb')) ||
        /sequence|optional|identity_opt|loop|_if|training_dropout|dropout_random/.test(name)
      )
        continue;
      try {
        const model = readModel(path.join(folder, 'model.onnx'));
        const files = fs.readdirSync(data).filter((file) => file.startsWith('input_'));
        const inputs = files.map((_, i) => readTensor(path.join(data, `input_${i}.pb`)));
        const expected = readTensor(path.join(data, 'output_0.pb'));
        if (expected.dataType !== 'float32' || inputs[0].dataType !== 'float32') continue;
        const allActive = name === 'add';
        const network = importOnnx(allActive ? model : withConstants(model, inputs));
        const values = Object.fromEntries(
          network.inputs.map(({ name }) => {
            const place = model.graph.inputs
              .filter((info) => !model.graph.initializers.has(info.name))
              .findIndex((info) => info.name === name);
            return [name, inputs[place].toFloat32()];
          }),
        );
        const [result] = interpret(network, values, inputs[0].dims[0]);
        const wanted = expected.toFloat32();
        expect(result.length, name).toBe(wanted.length);
        const error = result.reduce((worst, value, i) => Math.max(worst, Math.abs(value - wanted[i])), 0);
        const size = wanted.reduce((worst, value) => Math.max(worst, Math.abs(value)), 1);
        expect(error / size, name).toBeLessThan(1e-5);
        right.add(name);
      } catch (error) {
        if (!(error instanceof FrostlineError)) throw new Error(`${name}: ${(error as Error).stack}`);
        refused.set(name, error.message);
      }
    }
    expect(supported.filter((name) => !right.has(name)).map((name) => `${name}: ${refused.get(name)}`)).toEqual([]);
    expect(right.size).toBeGreaterThan(supported.length);
    expect(refused.get('sigmoid')).toMatch(/unsupported operator Sigmoid. Supported are Add, AveragePool/);
  });
});
