import { z } from 'zod';
import { FrostlineError } from '../../errors.ts';
import type { Gpu } from '../../gpu/device.ts';
import { machines } from '../../gpu/machine.ts';
import type { Precision } from '../../gpu/storage.ts';
import type { Choice, Configuration, Kernel } from '../../kernels/kernel.ts';
import { NO_HALVES } from '../../kernels/memory.ts';
import { adapterOption, openAdapter, precisionOption } from '../adapter.ts';
import { defineCommand } from '../command.ts';
import { nearestHint } from '../nearest.ts';
import { ableHalves, askedRun, pairsOf } from '../run-parameters.ts';

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
        "the parameters of a run, as 'kernels plan --json' prints its shape: prints what --as, or the adapter here, runs for it. Parameters that are no whole numbers, LRN's beta=0.75, may be given too; those left out are AlexNet's or VGG16's, or those of the kernel's first case, as the first line printed says",
      ),
    as: z.enum(adapters).optional().describe('the adapter that chooses for --shape, in place of the one here'),
    precision: precisionOption.describe(
      'f16 prints the texts for halves, with --shape those of the bindings that store halves in a step, else of all that may; f32 unless given',
    ),
    adapter: adapterOption,
  }),
  examples: [
    { what: 'the formula as it stands in books', line: 'lrn/backward --variant plain' },
    { what: 'a convolution', line: 'conv2d/forward' },
    { what: 'large tiles', line: "contraction --variant tiled --configuration 'rows 128 columns 128'" },
    { what: 'what an H100 runs', line: "lrn/forward --as h100 --shape 'batch 10 channels 96 plane 3025 size 5'" },
  ],
  async run({ name, variant: wanted, configuration: constants, shape, as, adapter, precision }, context) {
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
    if (shape === undefined && (as !== undefined || adapter !== undefined)) {
      throw new FrostlineError('--as and --adapter choose for a --shape. Give one, or leave them out.');
    }
    if (shape !== undefined && (wanted !== undefined || constants !== undefined)) {
      throw new FrostlineError('--shape prints what is chosen for it. Leave out --variant and --configuration.');
    }
    if (shape !== undefined) {
      const gpu =
        as === undefined ? await openAdapter(adapter, context, undefined, precision) : await plan(as, precision);
      return context.print(await chosenText(kernel, gpu, shape));
    }
    const halves = precision === 'f16' ? halvesOf(kernel) : NO_HALVES;
    const variants = variantsToShow(kernel, name, wanted, halves);
    if (constants !== undefined) {
      const choice = await choiceOf(name, variants, constants);
      return context.print(kernel.source(choice, {}, halves).trimEnd());
    }
    const texts = variants.map((variant) => {
      // The bounds are part of the contraction's configuration: show the text that the use runs.
      const configuration =
        (use && variant.configurations.find(({ bounds }) => bounds === boundsOf(use.params))) ??
        variant.configurations[0];
      return kernel.source({ variant: variant.name, configuration }, {}, halves);
    });
    context.print([...(use ? [`${describeUse(use)}\n`] : []), ...texts].join('\n').trimEnd());
  },
});

const plan = async (name: string, precision: Precision | undefined) =>
  (await import('../../gpu/planned.ts')).plannedGpu(name, { precision });

/** @throws FrostlineError where the kernel's texts know none */
function halvesOf(kernel: Kernel): ReadonlySet<string> {
  const able = ableHalves(kernel);
  if (able.size > 0) return able;
  throw new FrostlineError(`--precision f16: ${kernel.name} has no text for halves. Leave it out.`);
}

type AnyVariant = Kernel['variants'][number];

/** The variants that have a text where these bindings store halves, or the one that is wanted. */
function variantsToShow(
  kernel: Kernel,
  name: string,
  wanted: string | undefined,
  halves: ReadonlySet<string>,
): AnyVariant[] {
  const runs = ({ halves: asked = [] }: AnyVariant) =>
    asked === false ? halves.size === 0 : asked.every((binding) => halves.has(binding));
  const variants = kernel.variants.filter((variant) => wanted === undefined || variant.name === wanted);
  if (variants.length === 0) {
    const known = kernel.variants.map((variant) => variant.name);
    throw new FrostlineError(`--variant: ${name} has no variant '${wanted}'; ${nearestHint(wanted!, known)}`);
  }
  const able = variants.filter(runs);
  if (able.length > 0) return able;
  throw new FrostlineError(
    halves.size > 0
      ? `--variant: ${name} ${wanted} does not run on halves. Leave --precision f16 out.`
      : `--variant: ${name} ${wanted} runs on halves alone. Give --precision f16.`,
  );
}

/** @throws FrostlineError where no configuration has these constants */
async function choiceOf(name: string, variants: readonly AnyVariant[], constants: string): Promise<Choice> {
  const all = variants.flatMap(({ name: variant, configurations }) =>
    configurations.map((configuration): Choice => ({ variant, configuration })),
  );
  const found = all.find(({ configuration }) => has(configuration, constants));
  if (found !== undefined) return found;
  const { choiceText } = await import('../../kernels/kernel.ts');
  throw new FrostlineError(
    `--configuration: ${name} has none with '${constants}'. There are:\n${all.map(choiceText).join('\n')}`,
  );
}

/** The text that an adapter runs for a shape; its first line says which numbers it was chosen for that are no shape. */
async function chosenText(kernel: Kernel, gpu: Gpu, shape: string): Promise<string> {
  if (gpu.precision === 'f16') halvesOf(kernel);
  const { params, halves, said } = await askedRun(kernel, gpu, shape);
  const text = kernel.source(kernel.best(gpu, params, halves), {}, halves).trimEnd();
  return said === '' ? text : `// chosen for ${said}\n${text}`;
}

const has = (configuration: Configuration, text: string) =>
  [...pairsOf('--configuration', text)].every(([key, value]) => configuration[key] === value);
