/**
 * The arithmetic ceiling of an adapter: chains of c <- c x + y on four-wide vectors, each chain independent of the
 * others, with no memory in the loop. It computes nothing of use; benchmarks divide by what it reaches.
 *
 * With chain k of a thread starting at k in all four places, y[i] is the sum over chains and places after `rounds`.
 */
import { defineKernel, type Variant } from '../kernel.ts';

const params = { count: 'u32', rounds: 'u32' } as const;

const chained: Variant<typeof params> = {
  name: 'plain',
  // As many chains as hide the latency of an addition; beyond that, registers run out.
  configurations: [{ chains: 8 }, { chains: 16 }, { chains: 32 }],
  workgroupSize: () => 64,
  workgroups: ({ count }) => Math.ceil(count / 64),
  text: ({ chains }) => {
    const each = Array.from({ length: chains }, (_, k) => k);
    return {
      main: /* wgsl */ `
  if (index >= p.count) { return; }
  let x = vec4f(factors[p.factors_base]);
  let y_add = vec4f(factors[p.factors_base + 1u]);
${each.map((k) => `  var c${k} = vec4f(${k}.0);`).join('\n')}
  for (var round = 0u; round < p.rounds; round++) {
${each.map((k) => `    c${k} = c${k} * x + y_add;`).join('\n')}
  }
  y[p.y_base + index] = dot(${each.map((k) => `c${k}`).join(' + ')}, vec4f(1.0));`,
    };
  },
};

/** Multiply-adds that one thread makes a round, as operations. */
export const operationsARound = (chains: number) => 8 * chains;

export const rooflineMultiplyAdd = defineKernel({
  name: 'roofline/multiply-add',
  params,
  bindings: { factors: { access: 'read' }, y: { access: 'write' } },
  cost: ({ count, rounds }) => ({ flops: count * rounds * operationsARound(8), bytes: 4 * count }),
  variants: [chained],
});
