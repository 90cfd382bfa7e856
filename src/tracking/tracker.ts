/** What a place that follows training runs is told. One tracker may follow several runs, one after the other. */

export interface TrackedRun {
  /** Of a grid the cell's folder name; a file name, too. */
  readonly name: string;
  /** Settings of this run, short values. */
  readonly parameters: Readonly<Record<string, string | number>>;
  /** Steps made before, where a run goes on from a checkpoint. */
  readonly resumedAt?: number;
}

/** By name, with slashes that group: 'training/loss'. */
export type Scalars = Readonly<Record<string, number>>;

export type RunStatus = 'done' | 'diverged' | 'failed' | 'interrupted';

export interface Tracker {
  begin(run: TrackedRun): void;
  /** @param step from 0 */
  scalars(step: number, values: Scalars): void;
  end(status: RunStatus): void;
  /** Resolves when everything is where it belongs, or is told to be lost. */
  close(): Promise<void>;
}

/** One that passes all on to several. */
export function together(trackers: readonly Tracker[]): Tracker {
  const each = (tell: (tracker: Tracker) => void) => {
    for (const tracker of trackers) tell(tracker);
  };
  return {
    begin: (run) => each((tracker) => tracker.begin(run)),
    scalars: (step, values) => each((tracker) => tracker.scalars(step, values)),
    end: (status) => each((tracker) => tracker.end(status)),
    async close() {
      for (const tracker of trackers) await tracker.close();
    },
  };
}
