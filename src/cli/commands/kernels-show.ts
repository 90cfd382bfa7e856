import { z } from 'zod';
import { FrostlineError } from '../../errors.ts';
import { defineCommand } from '../command.ts';
import { nearestHint } from '../nearest.ts';

export const command = defineCommand({
  description:
    "Prints the WGSL of a kernel's variants as the device gets it, each in its first configuration. Convolutions and matrix products are one kernel, 'contraction', and are shown with the strides that make it theirs.",
  arguments: z.object({ name: z.string().describe("as 'frostline kernels list' names them") }),
  options: z.object({
    variant: z.string().optional().meta({ valueName: 'NAME' }).describe('print this variant alone'),
  }),
  examples: [
    { what: 'the formula as it stands in books', line: 'lrn/backward --variant plain' },
    { what: 'a convolution', line: 'conv2d/forward' },
  ],
  async run({ name, variant: wanted }, context) {
    const [{ allKernels }, { contractionUses, describeUse }, { boundsOf }] = await Promise.all([
      import('../../operators/kernels.ts'),
      import('../../kernels/contraction/uses.ts'),
      import('../../kernels/contraction/contraction.ts'),
    ]);
    const use = contractionUses.find((candidate) => candidate.name === name);
    const kernel = allKernels.get(use ? 'contraction' : name);
    if (kernel === undefined) {
      const known = [...allKernels.keys(), ...contractionUses.map((one) => one.name)];
      throw new FrostlineError(
        `there is no kernel '${name}'; ${nearestHint(name, known)}; see 'frostline kernels list'`,
      );
    }
    const variants = kernel.variants.filter((variant) => wanted === undefined || variant.name === wanted);
    if (variants.length === 0) {
      const known = kernel.variants.map((variant) => variant.name);
      throw new FrostlineError(`--variant: ${name} has no variant '${wanted}'; ${nearestHint(wanted!, known)}`);
    }
    const texts = variants.map((variant) => {
      // The bounds are part of the contraction's configuration: show the text that the use runs.
      const configuration =
        (use && variant.configurations.find(({ bounds }) => bounds === boundsOf(use.params))) ??
        variant.configurations[0];
      return kernel.source({ variant: variant.name, configuration });
    });
    context.print([...(use ? [`${describeUse(use)}\n`] : []), ...texts].join('\n').trimEnd());
  },
});
