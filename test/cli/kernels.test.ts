import { beforeAll, describe, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { createInstance } from '../../src/gpu/node.ts';
import { contractionUses } from '../../src/kernels/contraction/uses.ts';
import { allKernels } from '../../src/operators/kernels.ts';
import { run } from './run.ts';

const kernels = (...args: string[]) => run(registry, 'kernels', ...args);

describe('frostline kernels list', () => {
  it('names every kernel, and the operations that the contraction is', async () => {
    const { code, stdout } = await kernels('list');
    expect(code).toBe(0);
    for (const name of allKernels.keys()) expect(stdout).toMatch(new RegExp(`│ ${name} +│ plain`));
    expect(stdout).toMatch(/│ conv2d\/forward +│ is contraction/);
    const rows = JSON.parse((await kernels('list', '--json')).stdout);
    expect(rows.length).toBe(allKernels.size + contractionUses.length);
    expect(rows).toContainEqual({
      name: 'fill/constant',
      kernel: 'fill/constant',
      variants: [
        { name: 'plain', configurations: 1 },
        { name: 'several', configurations: 2 },
      ],
    });
  });
});

describe('frostline kernels show', () => {
  // The null backend checks WGSL without a driver.
  const { gpu } = createInstance(['backend=null']);
  let device: GPUDevice;
  beforeAll(async () => {
    const adapter = (await gpu.requestAdapter())!;
    device = await adapter.requestDevice();
  });

  it.each([...allKernels.keys(), ...contractionUses.map(({ name }) => name)])(
    '%s --variant plain is WGSL that compiles',
    async (name) => {
      const { code, stdout } = await kernels('show', name, '--variant', 'plain');
      expect(code).toBe(0);
      const info = await device.createShaderModule({ code: stdout }).getCompilationInfo();
      expect(info.messages.filter(({ type }) => type === 'error').map(({ message }) => message)).toEqual([]);
    },
  );

  it('prints every variant', async () => {
    const { stdout } = await kernels('show', 'contraction');
    for (const variant of ['plain', 'registers', 'broadcast', 'tiled']) {
      expect(stdout).toContain(`// contraction, variant ${variant}`);
    }
  });

  it('says which strides make the contraction a convolution or a product', async () => {
    const { stdout } = await kernels('show', 'conv2d/forward');
    expect(stdout).toMatch(/^\/\/ conv2d\/forward is the kernel 'contraction'/);
    // 128 filters a group; 10 x 27 x 27 outputs; 5 x 5 taps over 48 channels.
    expect(stdout).toMatch(/groups 2, rows 128, columns 7290, plane 729, width 27, u 5, v 5, r 48/);
    expect(stdout).toContain('variant broadcast: lanes 4, rows 32, columns 8, bounds 1');
    expect((await kernels('show', 'gemm/input-gradient')).stdout).toMatch(/rows 10, columns 4096/);
  });

  it.each([
    [['show', 'relu/forwards'], /there is no kernel 'relu\/forwards'; the nearest is 'relu\/forward'/],
    [['show', 'relu/forward', '--variant', 'plane'], /relu\/forward has no variant 'plane'; the nearest is 'plain'/],
    [['show'], /missing required argument 'name'/],
    [['shwo'], /unknown command 'kernels shwo'; the nearest is 'kernels show'/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await kernels(...args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});
