/** What a grid tells while it works, and how it is ended. */
import type { StepRecord } from './fit.ts';
import type { PlannedCell } from './plan.ts';
import type { CellResult } from './results.ts';

/** What `runGrid` tells while it works. */
export interface GridHooks {
  onPlan?(cells: readonly PlannedCell[]): void;
  onSkip?(index: number): void;
  /** All that is left runs in other processes; called again and again until it is finished. */
  onWait?(cells: number): void;
  onBegin?(index: number): void;
  onStep?(record: StepRecord, steps: number): void;
  /** It waits at a rung, and goes on later or is dropped. */
  onPause?(index: number): void;
  onDrop?(index: number): void;
  onEnd?(index: number, result: CellResult): void;
  /** A cell goes on from a checkpoint, this many steps in. */
  onResume?(index: number, steps: number): void;
  /** ends at once */
  readonly signal?: AbortSignal;
  /** ends at the next checkpoint or cell, with a StoppedError */
  readonly stop?: AbortSignal;
  /** which cells to run; the others are left to other processes. All, unless given */
  readonly only?: (index: number) => boolean;
}
