/** The command that runs a grid again, from the settings that its folder keeps. */

/** What a shell takes as one word. */
function word(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

const flag = (key: string) => `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

function option([key, value]: [string, unknown]): string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) {
    if (value.length === 0) return [];
    const nested = value.some((item) => typeof item === 'object' || String(item).includes(','));
    return [`${flag(key)} ${word(nested ? JSON.stringify(value) : value.join())}`];
  }
  if (typeof value === 'object') return [`${flag(key)} ${word(JSON.stringify(value))}`];
  if (typeof value === 'boolean') return [value ? flag(key) : flag(key).replace('--', '--no-')];
  return [`${flag(key)} ${word(String(value))}`];
}

/**
 * Every setting is named, so that another version's defaults change nothing. Where the grid lies and on what it runs is
 * left to who repeats it.
 * @returns a line an option
 */
export function repeatCommand(settings: Readonly<Record<string, unknown>>): string[] {
  const { preset, ...options } = settings;
  // A single split or fold is the default, and naming both is refused.
  const start = typeof preset === 'string' ? `frostline sweep ${word(preset)}` : 'frostline sweep';
  return [start, ...Object.entries(options).flatMap(option)];
}
