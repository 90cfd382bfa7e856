import type { Command } from './command.ts';

/** A command as the list of commands knows it, before its file is loaded. */
export interface Registered {
  readonly name: string;
  /** Heading in the global help. */
  readonly group: string;
  /** Its line in the global help. */
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: Command }>;
}

/** Every command, a line each, in the order of the help. */
export const registry: readonly Registered[] = [
  entry('Results', 'metrics', 'scores of a confusion matrix', () => import('./commands/metrics.ts')),
  entry('Results', 'report', "rebuild a grid's report from its results", () => import('./commands/report.ts')),
  entry('Kernels', 'gradcheck', 'check every derivative on the adapter', () => import('./commands/gradcheck.ts')),
];

function entry(group: string, name: string, summary: string, load: Registered['load']): Registered {
  return { group, name, summary, load };
}
