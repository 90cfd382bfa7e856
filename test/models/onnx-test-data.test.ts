/**
 * ONNX's own operator tests on the device: every case is computed rightly, or refused with a reason, never wrong.
 * FROSTLINE_ONNX_TABLE=FILE writes what became of each.
 */
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

/** What a 2-D convolutional network is made of: all their cases pass, but for the reasons below. */
const operators = [
  ...['Conv', 'Gemm', 'MatMul', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'LRN', 'Relu', 'Softmax', 'LogSoftmax'],
  ...['Dropout', 'Flatten', 'Reshape', 'Add', 'Sub', 'Mul', 'Div', 'Identity', 'Concat', 'Transpose', 'Constant'],
  ...['BatchNormalization', 'Clip', 'Sum', 'Pad', 'GlobalMaxPool', 'Squeeze'],
];

/** Why a case of these operators may be refused, and the words of the refusal. */
const reasons: Record<string, RegExp> = {
  'one or three spatial dimensions': /Two spatial dimensions are expected|one and three spatial dimensions are not/,
  'integers and text as activations': /only inputs of floating-point numbers are supported/,
  'training, with statistics or a mask of the batch':
    /by the statistics of the batch|is true, which makes the outputs random/,
  'a second output, of integers or truth values': /hands on (the places of its maxima|its mask)/,
  'sequences, optionals, no elements at all': /is split in segments|needs \d+ values, the file holds|each at least 1/,
  'a graph without an input': /the model has no input/,
  'another operator in the graph': /is of the unsupported operator|computes (Shape|Gather|Slice|Cast|Sum)/,
  'a cast to another type': /casts to another type/,
  'a larger constant, then another operator': /combines \[batch, 2\] with a constant of shape \[2,2\]/,
};

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
    const files = fs.readdirSync(folder);
    expect(results.length, 'outputs').toBe(files.filter((file) => file.startsWith('output_')).length);
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
    const passed = new Map<string, string[]>();
    const refused = new Map<string, Map<string, string>>();
    const failed: string[] = [];
    const rows: string[][] = [];
    for (const group of ['node', 'pytorch-converted', 'pytorch-operator']) {
      for (const name of fs.readdirSync(path.join(root, group))) {
        const folder = path.join(root, group, name);
        const data = path.join(folder, 'test_data_set_0');
        const id = `${group}/${name.replace('test_', '')}`;
        const model = readable(path.join(folder, 'model.onnx'));
        const types = model?.graph.nodes.map(({ opType }) => opType) ?? [];
        const operator = types.find((type) => type !== 'Constant') ?? types[0] ?? 'unreadable';
        expect(fs.existsSync(path.join(folder, 'test_data_set_1')), `${id}: one set of data`).toBe(false);
        const outcome = model && fs.existsSync(data) ? await run(model, data) : { refused: 'unreadable' };
        const [[verdict, why]] = Object.entries(outcome);
        // A refusal that lists what is supported says so once a case too often.
        rows.push([id, operator, verdict, why === true ? '' : `${why}`.split(' Supported are ')[0]]);
        if (!passed.has(operator)) passed.set(operator, []);
        if (!refused.has(operator)) refused.set(operator, new Map());
        if ('passed' in outcome) passed.get(operator)!.push(id);
        else if ('refused' in outcome) refused.get(operator)!.set(id, outcome.refused);
        else failed.push(`${id}: ${outcome.failed}`);
      }
    }
    const count = (outcomes: Map<string, { length: number } | { size: number }>) =>
      [...outcomes.values()].reduce((sum, list) => sum + ('size' in list ? list.size : list.length), 0);
    const unexplained: string[] = [];
    const lines = operators.map((operator) => {
      const why = new Map<string, string[]>();
      for (const [id, message] of refused.get(operator)!) {
        const reason = Object.keys(reasons).find((key) => reasons[key].test(message));
        if (reason === undefined) unexplained.push(`${id}: ${message}`);
        else why.set(reason, [...(why.get(reason) ?? []), path.basename(id)]);
      }
      const parts = [...why].map(([reason, ids]) => `\n    ${ids.length} ${reason}: ${abridged(ids)}`);
      return `  ${operator}: ${passed.get(operator)!.length} passed, ${refused.get(operator)!.size} refused${parts.join('')}`;
    });
    const others = [...passed.keys()].filter((operator) => !operators.includes(operator)).sort();
    const some = others.filter((operator) => passed.get(operator)!.length > 0);
    const none = others.filter((operator) => !some.includes(operator));
    console.log(
      [
        `ONNX's operator tests: ${count(passed)} passed, ${count(refused)} refused, ${failed.length} failed.`,
        ...lines,
        `  Others: ${some.map((operator) => `${operator} ${passed.get(operator)!.length}`).join(', ')} passed.`,
        `  Refused altogether: ${none.join(', ')}.`,
      ].join('\n'),
    );
    const file = process.env['FROSTLINE_ONNX_TABLE'];
    if (file !== undefined) {
      const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ').replaceAll(root, '');
      const table = [['case', 'operator', '', 'why'], ['---', '---', '---', '---'], ...rows].map(
        (row) => `| ${row.map(cell).join(' | ')} |`,
      );
      const total = `${rows.length} cases: ${count(passed)} passed, ${count(refused)} refused, ${failed.length} failed.`;
      const about = `What became of each of ONNX's own backend tests (Debian's libonnx-testdata). Written by \`npm run test:onnx\`.`;
      fs.writeFileSync(file, ["# ONNX's cases", about, total, table.join('\n')].join('\n\n'));
    }
    expect(failed).toEqual([]);
    expect(unexplained).toEqual([]);
    expect(count(passed)).toBeGreaterThanOrEqual(194);
    expect(refused.get('Tanh')!.get('node/tanh')).toMatch(/unsupported operator Tanh. Supported are Add, Average/);
  });
});

function abridged(names: readonly string[]): string {
  return names.length > 6 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');
}

/** The model, or undefined for a file that is refused as a whole. */
function readable(file: string): OnnxModel | undefined {
  try {
    return readModel(file);
  } catch (error) {
    if (error instanceof FrostlineError) return undefined;
    throw error;
  }
}
