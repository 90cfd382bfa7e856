import { FrostlineError } from '../errors.ts';
import { visibleName } from '../text.ts';

const LISTED = 20;

/**
 * Throws one error that lists all problems, a line each, the first twenty in full; returns where there are none.
 * A user with thirty broken files mends them in one go.
 */
export function refuseAll(headline: string, problems: readonly string[], remedy: string): void {
  if (problems.length === 0) return;
  const lines = problems.slice(0, LISTED).map((problem) => `  ${visibleName(problem)}`);
  if (problems.length > LISTED) lines.push(`  and ${problems.length - LISTED} more`);
  throw new FrostlineError([`${headline}:`, ...lines, remedy].join('\n'));
}
