/** Every operator, kernel and algorithm has what a newcomer looks for; what is missing is named. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { generalMutations } from '../../src/check/mutate.ts';
import { checkedOperators, kernelFamilies } from '../../src/operators/all.ts';
import { allKernels } from '../../src/operators/kernels.ts';
import { type Attribute, count } from '../../src/operators/operator.ts';
import { operatorTable } from '../../src/operators/table.ts';
import { decisionTrials } from '../../src/operators/trials.ts';
import { Random } from '../../src/random.ts';
import { mutations } from '../mutations/mutations.ts';

const at = (path: string) => new URL(`../../${path}`, import.meta.url);

it('docs/operators.md has a row for every operator, as it is', () => {
  const file = at('docs/operators.md');
  if (process.env['FROSTLINE_WRITE_DOCS'] !== undefined) writeFileSync(file, operatorTable());
  // The formatter widens the columns.
  const cells = (row: string) => row.replaceAll(/ *\| */g, '|').replaceAll(/-{3,}/g, '---');
  const rows = new Set(readFileSync(file, 'utf8').split('\n').map(cells));
  const missing = operatorTable()
    .split('\n')
    .filter((row) => !rows.has(cells(row)));
  expect(missing, 'not in docs/operators.md: FROSTLINE_WRITE_DOCS=1 writes it').toEqual([]);
});

it.each(checkedOperators)('$operator.kind says what it computes, in words and in PyTorch', ({ operator, checks }) => {
  expect(operator.formula, `${operator.kind}: formula`).toMatch(/=/);
  for (const [name, { doc }] of Object.entries(operator.attributes as Record<string, Attribute<unknown>>)) {
    expect(doc.trim(), `${operator.kind}: what ${name} is`).not.toBe('');
  }
  expect(checks.torch.trim(), `${operator.kind}: torch`).not.toBe('');
  // Arithmetic of two activations reads what becomes arithmetic with constants.
  if (operator.kind !== 'affine') {
    expect(Object.keys(operator.onnx.reads), `${operator.kind}: read from no operator of ONNX`).not.toEqual([]);
  }
  const { attributes, inputs, parameters = {} } = checks.draw((low) => low, new Random(1));
  for (const { shape } of Object.values(inputs)) expect(count(shape.slice(1))).toBeLessThan(900);
  for (const role of Object.keys(operator.parameters)) {
    const optional = (operator.parameters as Record<string, { optional?: boolean }>)[role].optional === true;
    expect(role in parameters || optional, `${operator.kind}: no case has the parameter ${role}`).toBe(true);
  }
  const drawn = Object.keys(attributes);
  const known = Object.keys(operator.attributes);
  expect(
    drawn.filter((name) => !known.includes(name)),
    `${operator.kind}: unknown attributes are drawn`,
  ).toEqual([]);
});

const withCases = new Set(
  kernelFamilies.flatMap((family) => family.examples(new Random(1)).map(({ kernel }) => kernel.name)),
);

it.each([...allKernels.values()])('$name has cases, and five ways to break it', (kernel) => {
  const { name } = kernel;
  expect(withCases.has(name), `${name}: no case object runs it`).toBe(true);
  expect(mutations[name] ?? [], `${name}: mutations beside its cases`).not.toEqual([]);
  const all = [...mutations[name], ...generalMutations(kernel)];
  expect(all.length, `${name}: ways to break it`).toBeGreaterThanOrEqual(5);
});

it('every algorithm that is chosen among says how it computes', () => {
  for (const { decision } of decisionTrials) {
    for (const { name, how } of decision.algorithms)
      expect(how.trim(), `${decision.purpose} ${name}: how`).not.toBe('');
  }
});

it("every file of convolution's algorithms stands in their list", () => {
  const folder = 'src/operators/conv2d/algorithms/';
  const list = readFileSync(at(`${folder}ours.ts`), 'utf8');
  const files = readdirSync(at(folder)).filter((name) => !['convolution.ts', 'index.ts', 'ours.ts'].includes(name));
  expect(files.filter((name) => !list.includes(`'./${name}'`))).toEqual([]);
});

it('every folder of an operator has its parts', () => {
  const folders = readdirSync(at('src/operators'), { withFileTypes: true }).filter((one) => one.isDirectory());
  const shared = ['algorithms', 'onnx', 'rewrites'];
  for (const { name } of folders.filter((folder) => !shared.includes(folder.name))) {
    for (const part of ['operator.ts', 'cases.ts']) {
      expect(existsSync(at(`src/operators/${name}/${part}`)), `src/operators/${name} has no ${part}`).toBe(true);
    }
  }
});
