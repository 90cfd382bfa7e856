/** Texts that hold names of others: how they stand on a terminal, and what they were before a table guarded them. */

/** Control characters but tab and line feed, and signs that turn the direction of writing. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSEEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const code = (sign: string): string => {
  const hex = sign.charCodeAt(0).toString(16);
  return hex.length > 2 ? `\\u${hex.padStart(4, '0')}` : `\\x${hex.padStart(2, '0')}`;
};

/** A text for the terminal: what could move its cursor, change its colours or its title is written out, as `\x1b`. */
export const visible = (text: string): string => text.replace(UNSEEN, code);

/** A name for the terminal, which stands in one line whatever it holds. */
export const visibleName = (name: string): string => visible(name).replaceAll('\n', '\\n').replaceAll('\t', '\\t');

/** Plain data with all its texts `visible`. */
export function visibleStrings<T>(value: T): T {
  if (typeof value === 'string') return visible(value) as T;
  if (Array.isArray(value)) return (typeof value[0] === 'number' ? value : value.map(visibleStrings)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, visibleStrings(each)])) as T;
}

/** JSON that is the same to a parser and harmless on a terminal. */
export const visibleJson = (json: string): string =>
  json.replace(UNSEEN, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** A cell as it was before `csvText` put an apostrophe before it. */
export const unguarded = (cell: string): string => cell.replace(/^'(?=[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])/, '');
