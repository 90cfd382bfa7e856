/**
 * Whether stated `pieces` are pieces. Differences beside a kink are taken of what an operation states, so a statement that
 * is no more than a tangent at the point would prove any slope: it is another one at every point, however near.
 */
import type { Parameter } from '../tensor.ts';
import type { Subject } from './subject.ts';

/** the share of an operation's outputs that may come to another piece when all elements move by their last place */
const MOST_MOVED = 0.1;

/** In words, for each operation whose pieces change with the last place of this input. */
export async function pieceProblems(
  subject: Subject,
  tensor: Parameter,
  values: Float32Array<ArrayBuffer>,
  signs: Readonly<Float64Array>,
): Promise<string[]> {
  if (subject.kinked.length === 0) return [];
  const moved = values.map((value, i) => value + Math.sign(signs[i]) * 2 ** (exponentOf(value) - 23));
  const base = subject.base('piece');
  const { pieces } = await subject.evaluate('piece', tensor, moved);
  return subject.kinked.flatMap(({ name }, k) => {
    const [one, other] = [base.pieces[k], pieces[k]];
    let [changed, all] = [0, 0];
    one.from.forEach((from, o) => {
      if (one.border[o] === 1) return;
      all++;
      if (from !== other.from[o] || one.scale[o] !== other.scale[o] || one.shift[o] !== other.shift[o]) changed++;
    });
    if (changed <= MOST_MOVED * all) return [];
    return [
      `the \`pieces\` of ${name} change for ${changed} of ${all} outputs when elements move by their last place. ` +
        'State what stays the same around a point, or none',
    ];
  });
}

const exponentOf = (value: number) => (value === 0 ? -126 : Math.max(-126, Math.floor(Math.log2(Math.abs(value)))));
