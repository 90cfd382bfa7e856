/**
 * One case object a kernel and shape: it serves the tests, the benchmark and the checks of variants. Its reference is
 * plain float64 code that shares nothing with the kernel.
 */
import type { Gpu } from '../../src/gpu/device.ts';
import type { Choice, Kernel } from '../../src/kernels/kernel.ts';
import { Bench, type Words } from '../../src/kernels/run.ts';
import { Random } from '../../src/random.ts';
import { defaultTolerance, expectClose, type Tolerance } from '../support/compare.ts';

export interface KernelCase {
  /** the kernel's name and the shapes */
  readonly name: string;
  readonly kernel: Kernel;
  readonly params: Readonly<Record<string, number>>;
  /** contents of the bindings that are read */
  readonly inputs: Readonly<Record<string, Words>>;
  /** bindings that are written: a length, or contents where the kernel updates in place */
  readonly outputs: Readonly<Record<string, number | Words>>;
  /** the expected contents of every output */
  reference(): Record<string, ArrayLike<number>>;
  /** outputs of type u32, compared exactly */
  readonly integers?: readonly string[];
  readonly tolerance?: Tolerance;
}

/** Runs a case in one variant and configuration and gives back its outputs; guards are checked. */
export async function runCase(gpu: Gpu, testCase: KernelCase, choice: Choice): Promise<Record<string, ArrayBuffer>> {
  const bench = new Bench(gpu);
  try {
    const views = Object.fromEntries(
      Object.keys(testCase.kernel.bindings).map((name) => {
        const contents = testCase.inputs[name] ?? testCase.outputs[name];
        if (contents === undefined) throw new Error(`${testCase.name}: no contents for binding ${name}`);
        const { type } = testCase.kernel.bindings[name];
        return [
          name,
          typeof contents === 'number' ? bench.room(name, contents, type) : bench.put(name, contents, type),
        ];
      }),
    );
    await bench.run([testCase.kernel.dispatch(gpu, testCase.params, views, choice)]);
    const outputs: Record<string, ArrayBuffer> = {};
    for (const name of Object.keys(testCase.outputs)) outputs[name] = await bench.words(views[name]);
    return outputs;
  } finally {
    bench.release();
  }
}

/** Every variant and configuration that the adapter runs: equal to the reference, and the same bits when run twice. */
export async function checkCase(gpu: Gpu, testCase: KernelCase): Promise<void> {
  const expected = testCase.reference();
  for (const choice of testCase.kernel.choices(gpu, testCase.params)) {
    const first = await runCase(gpu, testCase, choice);
    const second = await runCase(gpu, testCase, choice);
    for (const name of Object.keys(testCase.outputs)) {
      const label = `${testCase.name} [${choice.variant} ${JSON.stringify(choice.configuration)}] ${name}`;
      const exact = testCase.integers?.includes(name);
      const actual = exact ? new Uint32Array(first[name]) : new Float32Array(first[name]);
      expectClose(
        actual,
        expected[name],
        exact ? { absolute: 0, relative: 0 } : (testCase.tolerance ?? defaultTolerance),
        label,
      );
      if (!Buffer.from(first[name]).equals(Buffer.from(second[name]))) throw new Error(`${label}: two runs differ`);
    }
  }
}

/** Standard normal values. */
export function normals(random: Random, count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, () => random.normal());
}

export { Random };
