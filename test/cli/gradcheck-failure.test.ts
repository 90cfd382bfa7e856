/** A kernel that is wrong: the exit code, the seed, and the command that repeats the case alone. */
import { expect, it, vi } from 'vitest';
import type { KernelFamily } from '../../src/check/case.ts';
import { mutateKernel } from '../../src/check/mutate.ts';
import { registry } from '../../src/cli/registry.ts';
import { run } from './run.ts';

vi.mock('../../src/operators/all.ts', async () => {
  const { maxPoolFamily } = await import('../../src/check/cases/pooling.ts');
  // Wrong where a stride is not the other axis', so that only some draws fail.
  const mutation = { name: 'broken', find: 'oy * p.stride_height', replace: 'oy * p.stride_width' };
  const broken: KernelFamily = {
    ...maxPoolFamily,
    draw: (...drawing) =>
      maxPoolFamily.draw(...drawing).map((one) => ({ ...one, kernel: mutateKernel(one.kernel, mutation) })),
  };
  return { kernelFamilies: [broken], operationCases: [], checkedOperators: [] };
});

it('exits with 1 and prints what repeats the failure', async () => {
  const line = ['gradcheck', 'kernels', '--filter', 'maxpool/inference', '--seed', '3', '--adapter', 'auto'];
  const all = await run(registry, ...line, '--cases', '12');
  expect(all.code).toBe(1);
  const failed = all.stderr.match(/^maxpool\/inference, seed (\d+): (.*)\n(y: .*)$/m);
  expect(all.stdout).toMatch(/maxpool\/inference .* plain .* 12 .* \d+ failed/);
  const [, seed, what, problem] = failed!;
  expect(all.stderr).toContain(
    `repeat it with: frostline gradcheck kernels --filter maxpool/inference --seed ${seed} --cases 1 --adapter 'auto'`,
  );
  const again = await run(
    registry,
    'gradcheck',
    'kernels',
    '--filter',
    'maxpool/inference',
    '--seed',
    seed,
    '--cases',
    '1',
  );
  expect(again.code).toBe(1);
  expect(again.stderr).toContain(what);
  expect(again.stderr).toContain(problem);
});
