/** ONNX's own operator tests on the device: every case is computed rightly, or refused with a reason, never wrong. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { FrostlineError } from '../../src/errors.ts';
import { bindInputs, type GivenTensor, infer } from '../../src/models/infer.ts';
import { modelInputs } from '../../src/models/inputs.ts';
import type { OnnxModel } from '../../src/onnx/model.ts';
import { readModel, readTensor } from '../../src/onnx/read.ts';
import { expectClose } from '../support/compare.ts';
import { useGpu } from '../support/gpu.ts';

const root = '/usr/share/libonnx-testdata/data';
const gpu = useGpu();

/** Must pass; every other case is computed rightly or refused. */
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
  ...[
    'batchnorm_epsilon',
    'batchnorm_example',
    'clip',
    'clip_default_inbounds',
    'clip_splitbounds',
    'sum_example',
    'concat_3d_axis_1',
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

type Outcome = { passed: true } | { refused: string } | { failed: string };

/** Runs a case as a user would: all inputs by name; those that stand where weights do become constants. */
async function run(model: OnnxModel, folder: string): Promise<Outcome> {
  try {
    const given = new Map<string, GivenTensor>();
    for (const [i, { name }] of modelInputs(model).entries()) {
      const source = path.join(folder, `input_${i}.pb`);
      given.set(name, { tensor: readTensor(source), source });
    }
    const results = await infer(gpu(), bindInputs(model, given));
    for (const [i, { shape, data }] of results.entries()) {
      const expected = readTensor(path.join(folder, `output_${i}.pb`));
      expect(shape).toEqual(expected.dims);
      // ONNX's own runner allows 1e-7 and 1e-3.
      expectClose(data, expected.toFloat32(), { absolute: 1e-5, relative: 1e-4 });
    }
    return { passed: true };
  } catch (error) {
    if (error instanceof FrostlineError) return { refused: error.message };
    return { failed: (error as Error).message };
  }
}

describe.skipIf(!fs.existsSync(root))("ONNX's own operator tests (needs libonnx-testdata)", () => {
  it('none is wrong; those of a 2-D convolutional network pass', async () => {
    const counts = new Map<string, { passed: string[]; refused: string[] }>();
    const failed: string[] = [];
    const reasons = new Map<string, string>();
    for (const group of ['node', 'pytorch-converted', 'pytorch-operator']) {
      for (const name of fs.readdirSync(path.join(root, group))) {
        const folder = path.join(root, group, name);
        const data = path.join(folder, 'test_data_set_0');
        const id = `${group}/${name.replace('test_', '')}`;
        const model = readable(path.join(folder, 'model.onnx'));
        const operator = model?.graph.nodes.map(({ opType }) => opType).find((type) => type !== 'Constant') ?? 'none';
        const outcome = model && fs.existsSync(data) ? await run(model, data) : { refused: 'unreadable' };
        if (!counts.has(operator)) counts.set(operator, { passed: [], refused: [] });
        const { passed, refused } = counts.get(operator)!;
        if ('passed' in outcome) passed.push(id);
        else if ('refused' in outcome) {
          refused.push(id);
          reasons.set(id, outcome.refused);
        } else failed.push(`${id}: ${outcome.failed}`);
      }
    }
    const all = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
    const table = all
      .filter(([, { passed }]) => passed.length > 0)
      .map(([operator, { passed, refused }]) => `${operator} ${passed.length}/${passed.length + refused.length}`);
    const none = all.filter(([, { passed }]) => passed.length === 0).map(([operator]) => operator);
    const right = new Set(all.flatMap(([, { passed }]) => passed.map((id) => path.basename(id))));
    const total = all.reduce((sum, [, { passed }]) => sum + passed.length, 0);
    console.log(
      `ONNX's operator tests: ${total} passed, ${reasons.size} refused, ${failed.length} failed.\n` +
        `Passed of all: ${table.join(', ')}.\nRefused altogether: ${none.join(', ')}.`,
    );
    expect(failed).toEqual([]);
    expect(supported.filter((name) => !right.has(name))).toEqual([]);
    expect(total).toBeGreaterThanOrEqual(130);
    expect(reasons.get('node/sigmoid')).toMatch(/unsupported operator Sigmoid. Supported are Add, AveragePool/);
  });
});

/** The model, or undefined for a file that is refused as a whole. */
function readable(file: string): OnnxModel | undefined {
  try {
    return readModel(file);
  } catch (error) {
    if (error instanceof FrostlineError) return undefined;
    throw error;
  }
}
