/** Exit code of a run that was asked to stop and did so where it can go on: EX_TEMPFAIL, "try again later". */
export const STOPPED = 75;

/** Where code has what messages name by a flag of the command line: a type that the package exports, and its property. */
export const IN_CODE: Readonly<Record<string, string>> = {
  adapter: 'OpenOptions.adapter',
  algorithm: 'OpenOptions.algorithms',
  'allow-counts': 'Ph2Options.allowCounts',
  'batch-norm': 'FitSettings.batchStatistics',
  'batch-size': 'FitSettings.batchSize',
  beta2: 'OptimizerSettings.secondMomentum',
  budget: 'GridPlan.budget',
  'class-names': 'IdxOptions.classNames',
  data: 'DataSource.dataset',
  delimiter: 'CsvTableOptions.delimiter',
  duplicates: 'DataSource.duplicates',
  'early-stopping': 'FitSettings.earlyStopping',
  encoding: 'CsvTableOptions.encoding',
  epochs: 'FitSettings.epochs',
  epsilon: 'OptimizerSettings.epsilon',
  exclude: 'DatasetOptions.exclude',
  export: 'RunOptions.export',
  folds: 'DataSource.folds',
  format: 'DatasetOptions.format',
  freeze: 'Training.freeze',
  images: 'DataSource.tensors',
  'input-size': 'ImportOptions.inputSize',
  keep: 'GridPlan.keep',
  'keep-head': 'ModelSource.keepHead',
  'label-column': 'CsvOptions.labelColumn',
  'label-columns': 'CsvOptions.labelColumns',
  labels: 'DataSource.tensors',
  limit: 'raiseLimits',
  masks: 'FolderOptions.masks',
  'max-pixels': 'DecodeOptions.maxPixels',
  'max-unpacked': 'IdxOptions.maxUnpacked',
  optimizer: 'OptimizerSettings.optimizer',
  out: 'RunOptions.out',
  outputs: 'ImportOptions.outputs',
  parts: 'FolderOptions.parts',
  'path-column': 'CsvOptions.pathColumn',
  positive: 'RunOptions.positive',
  precision: 'OpenOptions.precision',
  preprocessing: 'ModelSource.preprocessing',
  select: 'GridPlan.select',
  split: 'DatasetOptions.split',
  'split-file': 'DataSource.splitFile',
  splits: 'DataSource.splits',
  strategy: 'Training.strategy',
  'train-fraction': 'DataSource.trainFraction',
  'tune-only': 'Training.tuneOnly',
  'validation-fraction': 'DataSource.validationFraction',
  'warmup-steps': 'Schedule.warmup',
};

const FLAG = /(?<![\w-])--([a-z][a-z0-9-]*)/g;
/** Whole commands: who reads them types them. */
const COMMAND = /'frostline [^']*'|npm [^).,;]*/g;
const NOTE = / \(In code: [^)]*\.\)/g;

/** The message as the command line says it, whose reader types flags. */
export const withoutNote = (message: string): string => message.replaceAll(NOTE, '');

/** With where code has the settings that it names by flags: errors reach both. A message within it may have its own. */
function withNote(message: string): string {
  const said = withoutNote(message);
  const flags = [...said.replaceAll(COMMAND, '').matchAll(FLAG)].map(([, flag]) => flag);
  const places = new Set(flags.filter((flag) => Object.hasOwn(IN_CODE, flag)).map((flag) => IN_CODE[flag]));
  return places.size === 0 ? said : `${said} (In code: ${[...places].join(', ')}.)`;
}

/**
 * The one error class for what a user can mend: it names the thing, the value found, what was expected and the remedy.
 * The command line prints its message without a stack and exits with 2. Any other error is a defect of frostline. Settings
 * that a message names by the command line's flags are named at its end as code has them, by type and property.
 */
export class FrostlineError extends Error {
  override readonly name = 'FrostlineError';
  /** Process exit code of the command line. */
  readonly exitCode = 2;

  constructor(message: string) {
    super(withNote(message));
  }
}
