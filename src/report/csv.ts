import { csvText } from '../csv-text.ts';
import { type CellResult, type GridResult, pointName } from '../train/results.ts';

const columns: Readonly<Record<string, (cell: CellResult) => unknown>> = {
  freeze_number: (cell) => cell.freeze.number,
  freeze_name: (cell) => pointName(cell.freeze),
  learning_rate: (cell) => cell.learningRate,
  new_layer_rate: (cell) => cell.newLayerRate,
  momentum: (cell) => cell.momentum,
  split: (cell) => cell.split,
  seed: (cell) => cell.seed,
  status: (cell) => cell.status,
  accuracy: (cell) => cell.metrics?.accuracy,
  accuracy_low: (cell) => cell.metrics?.accuracyInterval[0],
  accuracy_high: (cell) => cell.metrics?.accuracyInterval[1],
  macro_precision: (cell) => cell.metrics?.macroPrecision,
  macro_recall: (cell) => cell.metrics?.macroRecall,
  f1: (cell) => cell.metrics?.f1,
  mean_class_f1: (cell) => cell.metrics?.meanClassF1,
  train_accuracy: (cell) => cell.trainAccuracy,
  final_loss: (cell) => cell.finalLoss,
  steps: (cell) => cell.steps,
  seconds: (cell) => cell.seconds,
  confusion: (cell) => (cell.confusion ? JSON.stringify(cell.confusion) : undefined),
  error: (cell) => cell.error,
  folder: (cell) => cell.folder,
};

/**
 * One line a cell, full precision; a missing value is empty, no freezing is an empty `freeze_number`, `confusion` is
 * JSON with rows of true classes. Text that a spreadsheet would run as a formula is quoted by an apostrophe.
 */
export function resultsCsv(grid: GridResult): string {
  return csvText([
    Object.keys(columns),
    ...grid.cells.map((cell) => Object.values(columns).map((value) => value(cell))),
  ]);
}
