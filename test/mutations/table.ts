import type { Mutation, Outcome } from './mutate.ts';

export interface TriedMutation {
  readonly kernel: string;
  readonly mutation: Mutation;
  readonly outcomes: readonly Outcome[];
}

/** docs/mutations.md. */
export function mutationTable(tried: readonly TriedMutation[], adapter: string, seed: number): string {
  const outcomes = tried.flatMap((one) => one.outcomes);
  const caught = outcomes.filter(({ caughtBy }) => caughtBy !== undefined).length;
  const kernels = new Set(tried.map(({ kernel }) => kernel)).size;
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const rows = tried.flatMap(({ kernel, mutation, outcomes: own }) =>
    own.map(({ variant, caughtBy, problem, cases }) =>
      [
        kernel,
        variant,
        mutation.name,
        caughtBy === undefined ? `**survived** ${cases} cases` : `case ${cases + 1}: ${caughtBy}`,
        problem === undefined ? '' : problem.split(';')[0],
      ].map(cell),
    ),
  );
  return [
    '# Mutations',
    '',
    'Each kernel is broken on purpose in its final WGSL, one phrase at a time, and the case objects that check the whole',
    'one run against it: its examples first, then random draws. Written by `npm run test:mutations`; the list of what is',
    'broken is `test/mutations/mutations.ts`.',
    '',
    `${tried.length} mutations of ${kernels} kernels, ${outcomes.length} counting each variant that has the phrase: ` +
      `**${caught} caught, ${outcomes.length - caught} survived**. Seed ${seed}, on ${adapter}.`,
    '',
    '| kernel | variant | broken | caught by | how |',
    '| --- | --- | --- | --- | --- |',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
  ].join('\n');
}
