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

it('gradcheck kernels prints a row for each variant, with error and tolerance, and JSON', async () => {
  const table = await run(registry, 'gradcheck', 'kernels', '--filter', 'lrn/forward', '--cases', '4');
  expect(table.code).toBe(0);
  for (const variant of ['plain', 'sliding']) {
    expect(table.stdout).toMatch(new RegExp(`lrn/forward .* ${variant} .* passed`));
  }
  expect(table.stdout).not.toMatch(/lrn\/backward/);
  const json = await run(registry, 'gradcheck', 'kernels', '--filter', 'relu/backward', '--cases', '3', '--json');
  const [row] = JSON.parse(json.stdout).rows;
  expect(row).toMatchObject({ part: 'kernels', name: 'relu/backward', variant: 'plain', cases: 3, failures: [] });
  expect(row.reference.directions).toBeGreaterThan(0);
});

it('gradcheck kernels names the variants that did not run', async () => {
  const { stdout } = await run(registry, 'gradcheck', 'kernels', '--filter', 'lrn/forward', '--cases', '4');
  expect(stdout).not.toMatch(/not run/);
  // No window of three or two values a side, which `inside` and `lines` are for.
  const one = await run(
    registry,
    'gradcheck',
    'kernels',
    '--filter',
    'maxpool/inference',
    '--cases',
    '1',
    '--seed',
    '1',
  );
  const missing = ['interior', 'lines'].filter((variant) => !one.stdout.includes(` ${variant} `));
  expect(missing.length).toBeGreaterThan(0);
  for (const variant of missing) expect(one.stdout).toMatch(new RegExp(`not run, .*maxpool/inference ${variant}`));
});

it('a filter that is the name of an operation finds its kernels, too', async () => {
  const { code, stdout } = await run(registry, 'gradcheck', '--filter', 'clip', '--cases', '1', '--json');
  expect(code).toBe(0);
  const found = JSON.parse(stdout).rows.map(({ part, name }: { part: string; name: string }) => `${part} ${name}`);
  expect(new Set(found)).toEqual(new Set(['kernels clip/forward', 'kernels clip/backward', 'ops clip']));
});

it.each(['leaky-relu', 'leakyRelu'])('finds the operation and its kernels, folder or kind: %s', async (word) => {
  const { code, stdout } = await run(registry, 'gradcheck', '--filter', word, '--cases', '1', '--json');
  expect(code).toBe(0);
  const { rows } = JSON.parse(stdout) as { rows: { part: string; name: string }[] };
  const names = new Set(rows.map(({ part, name }) => `${part} ${name}`));
  expect([...names].sort()).toEqual(['kernels leaky-relu/backward', 'kernels leaky-relu/forward', 'ops leakyRelu']);
});

it('refuses a filter that matches nothing, with the names there are', async () => {
  const { code, stderr } = await run(registry, 'gradcheck', 'models', '--filter', 'resnet');
  expect(code).toBe(2);
  expect(stderr).toMatch(/nothing is called 'resnet'; there are alexnet-small/);
});
