import type { Command } from './command.ts';

/** A command as the list of commands knows it, before its file is loaded. */
export interface Registered {
  /** One word, or two where several commands share the first: 'weights pull'. */
  readonly name: string;
  /** Heading in the global help. */
  readonly group: string;
  /** Its line in the global help. */
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: Command }>;
}

/** Every command, a line each, in the order of the help. */
export const registry: readonly Registered[] = [
  entry(
    'Training',
    'sweep',
    'the freezing experiment: a grid over freeze points and rates',
    () => import('./commands/sweep.ts'),
  ),
  entry('Training', 'train', 'one fine-tuning run', () => import('./commands/train.ts')),
  entry('Training', 'range-test', 'the loss over a growing learning rate', () => import('./commands/range-test.ts')),
  entry('Training', 'merge', "gather a sharded grid's results", () => import('./commands/merge.ts')),
  entry('Training', 'slurm', 'a job script that runs a grid in shards', () => import('./commands/slurm.ts')),
  entry(
    'Data and weights',
    'dataset inspect',
    'counts, sizes and problems of a data set',
    () => import('./commands/dataset-inspect.ts'),
  ),
  entry(
    'Data and weights',
    'weights list',
    'the published weights that are known',
    () => import('./commands/weights-list.ts'),
  ),
  entry(
    'Data and weights',
    'weights pull',
    'fetch published weights, checked',
    () => import('./commands/weights-pull.ts'),
  ),
  entry(
    'Data and weights',
    'weights verify',
    'sha256 of a file, and which weights it is',
    () => import('./commands/weights-verify.ts'),
  ),
  entry(
    'Data and weights',
    'weights inspect',
    'layers, shapes and freeze points of a model',
    () => import('./commands/weights-inspect.ts'),
  ),
  entry('Using a network', 'predict', 'classes and probabilities of images', () => import('./commands/predict.ts')),
  entry('Using a network', 'evaluate', 'all scores on a labelled data set', () => import('./commands/evaluate.ts')),
  entry('Using a network', 'infer', 'run any supported ONNX graph on tensors', () => import('./commands/infer.ts')),
  entry(
    'Using a network',
    'diff',
    'the first layer that gives other numbers than onnxruntime',
    () => import('./commands/diff.ts'),
  ),
  entry(
    'Results',
    'verdict',
    'the freeze points that cannot be told from the best',
    () => import('./commands/verdict.ts'),
  ),
  entry(
    'Results',
    'probe',
    'what frozen features are worth at each depth, in seconds',
    () => import('./commands/probe.ts'),
  ),
  entry(
    'Results',
    'halving',
    'what sweep --budget saves and loses, on full grids',
    () => import('./commands/halving.ts'),
  ),
  entry('Results', 'metrics', 'scores of a confusion matrix', () => import('./commands/metrics.ts')),
  entry('Results', 'report', "a grid's report anew, or several grids compared", () => import('./commands/report.ts')),
  entry('Results', 'watch', "a grid's report in the browser while it runs", () => import('./commands/watch.ts')),
  entry(
    'The engine',
    'gradcheck',
    'check every kernel and derivative on the adapter',
    () => import('./commands/gradcheck.ts'),
  ),
  entry(
    'The engine',
    'doctor',
    'is there an adapter, does it compute rightly, how fast',
    () => import('./commands/doctor.ts'),
  ),
  entry('The engine', 'tune', 'measure which kernel variants are the fastest here', () => import('./commands/tune.ts')),
  entry(
    'The engine',
    'bench kernels',
    'every kernel at the networks’ shapes, timed',
    () => import('./commands/bench-kernels.ts'),
  ),
  entry(
    'The engine',
    'bench steps',
    'whole forward and training steps at every freeze point',
    () => import('./commands/bench-steps.ts'),
  ),
  entry(
    'The engine',
    'bench selection',
    'how good the choice among algorithms is, on fresh layers',
    () => import('./commands/bench-selection.ts'),
  ),
  entry(
    'The engine',
    'bench peers',
    'the same layers and steps in other frameworks',
    () => import('./commands/bench-peers.ts'),
  ),
  entry(
    'The engine',
    'kernels analyze',
    'what a kernel does to memory, and its machine code',
    () => import('./commands/kernels-analyze.ts'),
  ),
  entry('The engine', 'kernels list', 'every kernel and its variants', () => import('./commands/kernels-list.ts')),
  entry('The engine', 'kernels show', 'the WGSL of a kernel', () => import('./commands/kernels-show.ts')),
  entry(
    'The engine',
    'kernels plan',
    'what a step becomes on any adapter, here or not',
    () => import('./commands/kernels-plan.ts'),
  ),
];

function entry(group: string, name: string, summary: string, load: Registered['load']): Registered {
  return { group, name, summary, load };
}
