/** What frostline is to reach, and whether a run showed it. */
export interface Target {
  readonly what: string;
  readonly least: number;
  readonly aim: number;
  /** how far it got; undefined where the run did not measure it */
  readonly reached?: number;
  readonly verdict: 'aim' | 'met' | 'missed' | 'not measured';
  /** whether less is better */
  readonly below?: boolean;
}

/** @param below whether less is better: `least` is then the most that is allowed */
export function target(what: string, least: number, aim: number, reached?: number, below = false): Target {
  const passes = (bound: number) => (below ? reached! <= bound : reached! >= bound);
  const verdict = reached === undefined ? 'not measured' : passes(aim) ? 'aim' : passes(least) ? 'met' : 'missed';
  return { what, least, aim, verdict, ...(reached !== undefined && { reached }), ...(below && { below }) };
}
