import { afterEach, describe, expect, it, vi } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import * as product from '../../src/kernels/contraction/check.ts';
import { frostlineVersion } from '../../src/version.ts';
import { run } from './run.ts';

vi.mock('../../src/kernels/contraction/check.ts', { spy: true });
afterEach(() => vi.mocked(product.checkMatrixProduct).mockReset());

describe('frostline doctor', () => {
  it('prints versions, adapter, limits and a checked product', async () => {
    const { code, stdout, stderr } = await run(registry, 'doctor', '--json');
    expect(code).toBe(0);
    expect(stderr).toMatch(/^adapter: .+\nchecking a matrix product/);
    const { versions, adapter, matrixProduct, passed } = JSON.parse(stdout);
    expect(versions).toMatchObject({ frostline: frostlineVersion, node: process.version });
    expect(versions.webgpu).toMatch(/^\d+\.\d+\.\d+/);
    expect(['hardware', 'software', 'embedded']).toContain(adapter.kind);
    expect(adapter.driver).not.toBe('');
    // What WebGPU guarantees.
    expect(adapter.limits.maxStorageBufferBindingSize).toBeGreaterThanOrEqual(2 ** 27);
    expect(adapter.limits.maxComputeWorkgroupsPerDimension).toBeGreaterThanOrEqual(65535);
    expect(matrixProduct.checks[0].variant).toBe('plain');
    const { size } = matrixProduct;
    for (const { error, milliseconds, gflops } of matrixProduct.checks) {
      // In float32 some rounding there is, and 1e-3 would be far too much.
      expect(error).toBeGreaterThan(0);
      expect(error).toBeLessThan(1e-3);
      expect(gflops).toBeCloseTo((2 * size ** 3) / (milliseconds * 1e6), 6);
    }
    expect(passed).toBe(true);
  }, 120_000);

  it('exits with 1 where a variant computes wrongly', async () => {
    const check = { variant: 'plain', configuration: {}, tolerance: 0.01, milliseconds: 2, gflops: 1 };
    vi.mocked(product.checkMatrixProduct).mockResolvedValue({
      size: 64,
      checks: [
        { ...check, error: 1e-5, passed: true },
        { ...check, variant: 'registers', error: Number.NaN, passed: false },
      ],
    });
    const { code, stdout, stderr } = await run(registry, 'doctor');
    expect(code).toBe(1);
    expect(stdout).toMatch(/│ registers │ +│ +NaN │ WRONG │/);
    expect(stdout).not.toContain('all well');
    expect(stderr).toMatch(/computes wrongly: variant registers is off by NaN, 0\.01 is allowed/);
    const json = await run(registry, 'doctor', '--json');
    expect([json.code, JSON.parse(json.stdout).passed]).toEqual([1, false]);
  });

  it('measures anew what the adapter can do at once, or says why its times tell nothing', async () => {
    const check = { variant: 'plain', configuration: {}, tolerance: 0.01, milliseconds: 2, gflops: 1 };
    vi.mocked(product.checkMatrixProduct).mockResolvedValue({
      size: 64,
      checks: [{ ...check, error: 1e-5, passed: true }],
    });
    const { code, stdout } = await run(registry, 'doctor', '--probe', '--json');
    expect(code).toBe(0);
    const { machine, origins, probed, refused } = JSON.parse(stdout);
    expect(Date.now() - Date.parse(probed)).toBeLessThan(60_000);
    if (refused === undefined) {
      expect(origins).toMatchObject({ multiprocessors: 'probed', bytes: 'probed', dispatch: 'probed' });
      for (const value of Object.values(machine)) expect(value).toBeGreaterThan(0);
    } else expect(refused).toMatch(/./);
  });

  it('exits with 1 where there is no such adapter, and says what there is', async () => {
    const { code, stdout, stderr } = await run(registry, 'doctor', '--adapter', 'Voodoo2');
    expect(code).toBe(1);
    expect(stdout).toMatch(/node +v\d+/);
    expect(stdout).toContain("'frostline doctor --adapter auto' shows the best there is");
    expect(stderr).toMatch(/no adapter: No adapter's name contains "Voodoo2"/);
    const json = await run(registry, 'doctor', '--adapter', 'Voodoo2', '--json');
    expect([json.code, JSON.parse(json.stdout)]).toEqual([
      1,
      expect.objectContaining({ adapter: null, passed: false }),
    ]);
  });
});
