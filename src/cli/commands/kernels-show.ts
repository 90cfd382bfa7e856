import { z } from 'zod';
import { FrostlineError } from '../../errors.ts';
import { machines } from '../../gpu/machine.ts';
import type { Configuration, Kernel } from '../../kernels/kernel.ts';
import { adapterOption, openAdapter } from '../adapter.ts';
import { defineCommand } from '../command.ts';
import { nearestHint } from '../nearest.ts';

const adapters = machines.map(({ name }) => name) as [string, ...string[]];

export const command = defineCommand({
  description:
    "Prints the WGSL of a kernel's variants as the device gets it, each in its first configuration, or with --shape the one that an adapter runs for that shape. Convolutions and matrix products are one kernel, 'contraction', and are shown with the strides that make it theirs.",
  arguments: z.object({ name: z.string().describe("as 'frostline kernels list' names them") }),
  options: z.object({
    variant: z.string().optional().meta({ valueName: 'NAME' }).describe('print this variant alone'),
    configuration: z
      .string()
      .optional()
      .meta({ valueName: 'TEXT' })
      .describe(
        "constants that the text is made with, as 'kernels plan' prints them: 'rows 128 columns 64'; others as in the first that has these",
      ),
    shape: z
      .string()
      .optional()
      .meta({ valueName: 'TEXT' })
      .describe(
        "the parameters of a run, as 'kernels plan --json' prints its shape: prints what --as, or the adapter here, runs for it",
      ),
    as: z.enum(adapters).optional().describe('the adapter that chooses for --shape, in place of the one here'),
    adapter: adapterOption,
  }),
  examples: [
    { what: 'the formula as it stands in books', line: 'lrn/backward --variant plain' },
    { what: 'a convolution', line: 'conv2d/forward' },
    { what: 'large tiles', line: "contraction --variant tiled --configuration 'rows 128 columns 128'" },
    { what: 'what an H100 runs', line: "lrn/forward --as h100 --shape 'batch 10 channels 96 plane 3025 size 5'" },
  ],
  async run({ name, variant: wanted, configuration: constants, shape, as, adapter }, context) {
    const [{ allKernels }, { contractionUses, describeUse }, { boundsOf }, { choiceText }] = await Promise.all([
      import('../../operators/kernels.ts'),
      import('../../kernels/contraction/uses.ts'),
      import('../../kernels/contraction/contraction.ts'),
      import('../../kernels/kernel.ts'),
    ]);
    const use = contractionUses.find((candidate) => candidate.name === name);
    const kernel = allKernels.get(use ? 'contraction' : name);
    if (kernel === undefined) {
      const known = [...allKernels.keys(), ...contractionUses.map((one) => one.name)];
      throw new FrostlineError(
        `there is no kernel '${name}'; ${nearestHint(name, known)}; see 'frostline kernels list'`,
      );
    }
    if (shape === undefined && (as !== undefined || adapter !== undefined)) {
      throw new FrostlineError('--as and --adapter choose for a --shape. Give one, or leave them out.');
    }
    if (shape !== undefined && (wanted !== undefined || constants !== undefined)) {
      throw new FrostlineError('--shape prints what is chosen for it. Leave out --variant and --configuration.');
    }
    if (shape !== undefined) {
      const gpu = as === undefined ? await openAdapter(adapter, context) : await plan(as);
      const choice = kernel.best(gpu, paramsOf(kernel, shape));
      return context.print(kernel.source(choice).trimEnd());
    }
    const variants = kernel.variants.filter((variant) => wanted === undefined || variant.name === wanted);
    if (variants.length === 0) {
      const known = kernel.variants.map((variant) => variant.name);
      throw new FrostlineError(`--variant: ${name} has no variant '${wanted}'; ${nearestHint(wanted!, known)}`);
    }
    if (constants !== undefined) {
      const found = variants.flatMap(({ name: variant, configurations }) =>
        configurations.filter((one) => has(one, constants)).map((configuration) => ({ variant, configuration })),
      );
      if (found.length === 0) {
        const all = variants.flatMap(({ name: variant, configurations }) =>
          configurations.map((configuration) => choiceText({ variant, configuration })),
        );
        throw new FrostlineError(
          `--configuration: ${name} has none with '${constants}'. There are:\n${all.join('\n')}`,
        );
      }
      return context.print(kernel.source(found[0]).trimEnd());
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

const plan = async (name: string) => (await import('../../gpu/planned.ts')).plannedGpu(name);

/** The pairs of a text like 'rows 128 columns 64'; commas may stand between them. */
function pairsOf(option: string, text: string): [string, number][] {
  const words = text.split(/[\s,:=]+/).filter((word) => word !== '');
  return Array.from({ length: Math.ceil(words.length / 2) }, (_, i) => {
    const [key, value] = [words[2 * i], Number(words[2 * i + 1])];
    if (!Number.isInteger(value)) {
      throw new FrostlineError(`${option}: '${words[2 * i + 1] ?? ''}' behind ${key} is no whole number.`);
    }
    return [key, value];
  });
}

const has = (configuration: Configuration, text: string) =>
  pairsOf('--configuration', text).every(([key, value]) => configuration[key] === value);

/** Parameters of a shape; those of type f32, which the choice does not go by, are 1. */
function paramsOf(kernel: Kernel, text: string): Record<string, number> {
  const given = new Map(pairsOf('--shape', text));
  const integers = Object.keys(kernel.params).filter((key) => kernel.params[key] !== 'f32');
  const missing = integers.filter((key) => !given.has(key));
  const unknown = [...given.keys()].filter((key) => !integers.includes(key));
  if (missing.length > 0 || unknown.length > 0) {
    const wrong = unknown.length > 0 ? `has no ${unknown.join(', ')}` : `needs ${missing.join(', ')} too`;
    throw new FrostlineError(`--shape: ${kernel.name} ${wrong}. Give: ${integers.map((key) => `${key} N`).join(' ')}.`);
  }
  return Object.fromEntries(Object.keys(kernel.params).map((key) => [key, given.get(key) ?? 1]));
}
