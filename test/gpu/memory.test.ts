import { expect, it } from 'vitest';
import { FrostlineError } from '../../src/errors.ts';
import { Gpu } from '../../src/gpu/device.ts';

// Mesa's lavapipe gives address space away without end; the embedded driver counts.
it.skipIf(process.platform !== 'linux' || process.arch !== 'x64')(
  'a device without memory for a buffer is no defect: the message says what to do',
  async () => {
    const gpu = await Gpu.open({ adapter: 'embedded' });
    try {
      let asked = 0;
      const fill = async () => {
        while (asked < 2 ** 47) {
          gpu.allocate('much', Math.floor(gpu.limits.maxBuffer / 16) * 16);
          asked += gpu.limits.maxBuffer;
          await gpu.idle();
        }
      };
      await expect(fill()).rejects.toThrow(/is out of memory: \d+ bytes.*Use a smaller batch/);
      await expect(gpu.idle()).rejects.toBeInstanceOf(FrostlineError);
    } finally {
      gpu.destroy();
    }
  },
);
