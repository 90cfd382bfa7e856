/** What is said where WebGPU finds nothing at all. */
import { expect, it, vi } from 'vitest';
import { FrostlineError } from '../../src/errors.ts';
import { chooseAdapter } from '../../src/gpu/adapter.ts';

vi.mock('../../src/gpu/node.ts', async (original) => ({
  ...(await original<object>()),
  createInstance: () => ({ gpu: { requestAdapter: async () => null } }),
}));
vi.mock('../../src/gpu/embedded.ts', () => ({
  loadEmbeddedDriver: async () => {
    throw new FrostlineError('The embedded driver is not installed.');
  },
}));

it('auto names all that is missing, not the embedded driver alone', async () => {
  const failure = await chooseAdapter('auto').catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(FrostlineError);
  expect((failure as Error).message).toMatch(
    /found no GPU.*software Vulkan driver.*mesa-vulkan-drivers.*embedded driver is not installed/,
  );
});
