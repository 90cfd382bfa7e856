import { expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { run } from './run.ts';

it('gradcheck ops prints a table, and JSON for another program', async () => {
  const table = await run(registry, 'gradcheck', 'ops', '--filter', 'softmax', '--cases', '2');
  expect(table.code).toBe(0);
  expect(table.stdout).toMatch(/ops .* softmax .* 2 .* passed/);
  expect(table.stdout).not.toMatch(/softmaxCrossEntropy/);
  const json = await run(registry, 'gradcheck', 'ops', '--filter', 'add', '--cases', '1', '--seed', '9', '--json');
  const { rows, seed } = JSON.parse(json.stdout);
  expect(seed).toBe(9);
  expect(rows).toMatchObject([{ part: 'ops', name: 'add', cases: 1, failures: [] }]);
});

it('refuses a filter that matches nothing, with the names there are', async () => {
  const { code, stderr } = await run(registry, 'gradcheck', 'models', '--filter', 'resnet');
  expect(code).toBe(2);
  expect(stderr).toMatch(/nothing is called 'resnet'; there are alexnet-small/);
});
